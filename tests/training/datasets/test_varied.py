"""Varied music: its plan, what it shares with the music that models are tested on, and its studio."""

from dataclasses import fields

import numpy as np
import pytest

from training.datasets.accompanied import grooves as accompanied
from training.datasets.gathering import DatasetLayoutError
from training.datasets.rendered.composition import Bar, Composition, compose
from training.datasets.rendered.genres import GENRES
from training.datasets.rendered.harmony import SCALES, diatonic
from training.datasets.rendered.moods import MOODS
from training.datasets.rendered.score import Note, Part
from training.datasets.rendered.tune import draw_tune
from training.datasets.varied import backing, players
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


@pytest.mark.parametrize(
    ("key", "role"),
    [(36, "kick"), (38, "snare"), (42, "cymbals"), (52, "cymbals"), (57, "crash"), (45, "snare"), (70, "percussion")],
)
def test_a_kits_keys_are_mixed_by_what_they_are(key: int, role: str) -> None:
    assert backing._drum_role(key) == role


def test_a_bass_is_low_and_plays_one_note_at_a_time_or_on_a_bass() -> None:
    low = [Note(beat / 2, 0.4, 36, 90) for beat in range(8)]
    chords = [Note(beat / 2, 0.4, pitch, 90) for beat in range(8) for pitch in (43, 47, 50)]
    high = [Note(beat / 2, 0.4, 72, 90) for beat in range(8)]
    assert backing._is_bass(33, low)
    assert backing._is_bass(0, low)
    assert not backing._is_bass(33, high)
    assert not backing._is_bass(0, chords)


def test_chords_are_spelt_beat_by_beat_in_the_key() -> None:
    major = SCALES["major"]
    bar = Bar(0.0, "tune", ((0.0, diatonic(major, 0, size=3)), (2.0, diatonic(major, 5, size=4))))
    bare = Composition(120.0, 62, "major", 1.0, (bar,), (), 4.0)
    # In D: the tonic, and the minor seventh on the sixth degree.
    assert backing._symbols(bar, bare) == "D / Bm7 /"


@pytest.mark.parametrize("genre", list(GENRES))
def test_every_chord_that_is_composed_is_spelt_with_its_own_third_and_fifth(genre: str) -> None:
    spelt = {quality: above for above, quality in backing.QUALITIES.items()}
    for seed in range(20):
        for mood in MOODS.values():
            composition = compose(draw_tune(np.random.default_rng(seed)), mood=mood, genre=GENRES[genre])
            for bar in composition.bars:
                symbols = [symbol for symbol in backing._symbols(bar, composition).split() if symbol != "/"]
                for symbol, (_, chord) in zip(symbols, bar.chords, strict=True):
                    root = symbol[: 2 if symbol[1:2] in {"#", "b"} else 1]
                    assert backing.NOTES.index(root) == (composition.tonic + chord.tones[0]) % 12
                    above = {(tone - chord.tones[0]) % 12 for tone in chord.tones}
                    # What MMA has no plain word for, such as a minor chord with a flat ninth, loses what lies above.
                    assert set(spelt[symbol.removeprefix(root)]) <= above, (symbol, chord)


class _Sines:
    """A soundfont whose every sound is a sine."""

    def sound(self, part: Part, *, seconds: float) -> np.ndarray:
        time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        heard = np.zeros((2, time.size))
        for note in part.notes:
            sounding = (time >= note.start) & (time < note.start + note.seconds)
            heard += np.sin(2 * np.pi * 440 * 2 ** ((note.pitch - 69) / 12) * time) * sounding
        return heard


@pytest.mark.parametrize("semitones", [-5, -2, 3, 5])
def test_an_instrument_of_another_size_plays_the_same_notes_at_the_same_time(semitones: int) -> None:
    part = Part("lead", 0, (Note(0.5, 1.0, 69, 100),))
    sound = players._resized(part, _Sines(), semitones, seconds=2.0)  # type: ignore[arg-type]
    assert sound.shape == (1, 2 * SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(sound[0]) > 0.3) / SAMPLE_RATE
    assert loud[0] == pytest.approx(0.5, abs=0.01)
    assert loud[-1] == pytest.approx(1.5, abs=0.01)
    spectrum = np.abs(np.fft.rfft(sound[0]))
    hz = spectrum.argmax() * SAMPLE_RATE / sound.shape[1]
    assert 12 * abs(np.log2(hz / 440)) < 0.05
