"""Varied music: its plan, what it shares with the music that models are tested on, and its studio."""

from dataclasses import fields

import numpy as np
import pytest

from training.datasets.accompanied import grooves as accompanied
from training.datasets.gathering import DatasetLayoutError
from training.datasets.rendered.score import Note, Part
from training.datasets.varied.families import FAMILIES
from training.datasets.varied.grooves import GROOVES, LIKE
from training.datasets.varied.studio import SAMPLE_RATE, produce
from training.datasets.varied.studios import DECADES, Studio, draw_studio
from training.datasets.varied_set import plan_variations
from training.vocabulary import SHIPPED, read_vocabulary


def test_no_groove_file_is_among_those_that_models_are_tested_on() -> None:
    tested = {
        groove.name.split(":")[0] for genre in accompanied.GENRES.values() for groove in (*genre.lively, *genre.calm)
    }
    learnt = {groove.split(":")[0] for grooves in GROOVES.values() for groove in grooves}
    assert learnt.isdisjoint(tested)


def test_every_genre_without_a_composer_of_its_own_is_like_one_that_has() -> None:
    assert set(GROOVES) - set(LIKE) == set(accompanied.GENRES)


def test_the_vocabulary_has_every_genre_and_family() -> None:
    vocabulary = read_vocabulary(SHIPPED / "varied.toml")
    names = {tag.name for tag in vocabulary.tags}
    assert {*GROOVES, *FAMILIES, *DECADES} <= names


def test_a_longer_plan_begins_with_the_shorter_one() -> None:
    assert list(plan_variations(60, tunes=20, seed=3))[:40] == list(plan_variations(40, tunes=20, seed=3))


def test_factors_are_independent() -> None:
    pieces = list(plan_variations(4000, tunes=100, seed=0))
    moods = sorted({piece.factors.mood for piece in pieces})
    eras = sorted({piece.factors.era for piece in pieces})
    table = np.array(
        [[sum(p.factors.mood == mood and p.factors.era == era for p in pieces) for era in eras] for mood in moods]
    )
    # Twenty cells of 200 each; five standard deviations of a binomial count.
    assert np.abs(table - 200).max() < 5 * np.sqrt(200)


def test_a_plan_needs_a_piece_for_each_tune() -> None:
    with pytest.raises(DatasetLayoutError, match="every tune needs a piece"):
        list(plan_variations(3, tunes=4, seed=0))


@pytest.mark.parametrize("era", list(DECADES))
def test_a_studio_is_drawn_from_its_decade_and_never_clips(era: str) -> None:
    rng = np.random.default_rng(5)
    studio = draw_studio(era, rng=rng)
    for field in fields(Studio):
        low, high = DECADES[era].ranges[field.name]
        assert low <= getattr(studio, field.name) <= high
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    kick = np.exp(-20 * (time % 0.5)) * np.sin(2 * np.pi * 60 * time)
    stems = {"lead": np.sin(2 * np.pi * 440 * time)[None], "kick": kick[None]}
    parts = {"kick": Part("kick", 0, (Note(0.0, 0.1, 36, 100), Note(0.5, 0.1, 36, 100)), 128)}
    sound = produce(stems, parts, studio, pump=6.0, rng=rng)
    assert sound.shape == (1, time.size)
    assert 0.01 < np.abs(sound).max() <= 1.0


def test_the_sixties_have_less_treble_than_the_eighties() -> None:
    noise = np.random.default_rng(0).standard_normal((1, 2 * SAMPLE_RATE))
    treble = {}
    for era in ("60s", "80s"):
        rng = np.random.default_rng(1)
        sound = produce({"lead": noise}, {}, draw_studio(era, rng=rng), pump=0.0, rng=rng)
        spectrum = np.abs(np.fft.rfft(sound[0])) ** 2
        hz = np.fft.rfftfreq(sound.shape[1], 1 / SAMPLE_RATE)
        treble[era] = spectrum[hz > 7000].sum() / spectrum.sum()
    assert treble["60s"] < treble["80s"] / 3
