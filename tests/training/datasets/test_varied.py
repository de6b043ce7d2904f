"""Varied music: its plan, what it shares with the music that models are tested on, and its studio."""

import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from training.datasets.accompanied import grooves as accompanied
from training.datasets.accompanied.band import PlayingError, find_program
from training.datasets.gathering import DatasetLayoutError
from training.datasets.rendered.composition import Bar, Composition, compose
from training.datasets.rendered.genres import GENRES
from training.datasets.rendered.harmony import SCALES, diatonic
from training.datasets.rendered.moods import MOODS
from training.datasets.rendered.score import Note, Part
from training.datasets.rendered.synthesis import DRUM_BANK
from training.datasets.rendered.tune import draw_tune
from training.datasets.varied import backing, band, players
from training.datasets.varied.families import FAMILIES
from training.datasets.varied.grooves import GROOVES, LIKE
from training.datasets.varied.patches import PatchSet
from training.datasets.varied.studio import SAMPLE_RATE, produce
from training.datasets.varied.studios import DECADES, Studio, draw_studio
from training.datasets.varied_set import VariedTools, plan_variations, vary_set
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


def test_a_borrowing_piece_is_planned_as_any_other() -> None:
    plain, borrowing = (list(plan_variations(30, tunes=10, seed=2, borrowing=each)) for each in (False, True))
    assert [piece.factors.tags for piece in plain] == [piece.factors.tags for piece in borrowing]
    assert {piece.name for piece in plain}.isdisjoint(piece.name for piece in borrowing)


@pytest.mark.parametrize("fields_together", band.BORROWED)
def test_what_is_borrowed_is_independent_of_the_genre_and_the_groove_is_kept(fields_together: tuple[str, ...]) -> None:
    rng = np.random.default_rng(4)
    lenders = {name: {getattr(lender, name) for lender in GENRES.values()} for name in fields_together}
    for genre in GENRES.values():
        borrowing = [band._borrow(genre, rng=rng) for _ in range(200)]
        for name in fields_together:
            assert {getattr(each, name) for each in borrowing} == lenders[name]
        # Harmony comes from one genre as a whole.
        known = {tuple(getattr(lender, name) for name in fields_together) for lender in GENRES.values()}
        assert {tuple(getattr(each, name) for name in fields_together) for each in borrowing} <= known
        assert all(
            (each.lively, each.calm, each.swing) == (genre.lively, genre.calm, genre.swing) for each in borrowing
        )


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
    """A bank whose every sound is a sine."""

    def has(self, program: int, *, bank: int = 0) -> bool:
        return program == 0 and bank == 0

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
    sound = players._resized(part, _Sines(), semitones, seconds=2.0)
    assert sound.shape == (1, 2 * SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(sound[0]) > 0.3) / SAMPLE_RATE
    assert loud[0] == pytest.approx(0.5, abs=0.01)
    assert loud[-1] == pytest.approx(1.5, abs=0.01)
    spectrum = np.abs(np.fft.rfft(sound[0]))
    hz = spectrum.argmax() * SAMPLE_RATE / sound.shape[1]
    assert 12 * abs(np.log2(hz / 440)) < 0.05


class _Loud(_Sines):
    """A bank that has another program, and is loud."""

    def has(self, program: int, *, bank: int = 0) -> bool:
        return program == 41 and bank == 0

    def sound(self, part: Part, *, seconds: float) -> np.ndarray:
        return 9 * super().sound(part, seconds=seconds)


@pytest.mark.parametrize(("program", "peak"), [(0, 1.0), (41, 9.0), (99, 1.0)])
def test_a_bank_that_lacks_a_program_leaves_it_to_one_that_has_it(program: int, peak: float) -> None:
    part = Part("bass", program, (Note(0.2, 0.5, 45, 90),))
    chosen = players._that_has(program, _Sines(), [_Sines(), _Loud()])
    assert np.abs(chosen.sound(part, seconds=1.0)).max() == pytest.approx(peak, abs=0.01)


CONFIGURATION = """dir /usr/share/midi/some
# by hand
drumset 0
 35	Drum_000/035_Kick_1.pat amp=100
bank 0
 0	Tone_000/000_Acoustic_Grand_Piano.pat amp=120 pan=center
 40	Tone_000/040_Violin.pat # a fiddle
bank 8
 41	Tone_008/041_Viola.pat
"""


def test_a_configuration_says_which_programs_and_kits_there_are(tmp_path: Path) -> None:
    (tmp_path / "some.cfg").write_text(CONFIGURATION)
    patches = PatchSet(tmp_path / "some.cfg", Path("/bin/false"))
    assert [program for program in range(128) if patches.has(program)] == [0, 40]
    assert [kit for kit in range(128) if patches.has(kit, bank=DRUM_BANK)] == [0]
    with pytest.raises(PlayingError, match="TiMidity gave up"):
        patches.sound(Part("lead", 0, (Note(0.0, 0.5, 60, 90),)), seconds=1.0)


@pytest.mark.parametrize(
    ("patches", "says"), [((), "nothing can play"), ((Path("absent.cfg"),), "absent.cfg is not there")]
)
def test_what_cannot_play_is_told_before_anything_is_made(tmp_path: Path, patches: tuple[Path, ...], says: str) -> None:
    tools = VariedTools(soundfonts=(), patches=patches, mma=Path("mma"))
    with pytest.raises(DatasetLayoutError, match=says):
        vary_set(tmp_path, tools, pieces=1, tunes=1, seed=0)
    assert not list(tmp_path.iterdir())


FREEPATS = Path("/etc/timidity/freepats.cfg")


@pytest.mark.skipif(not (shutil.which("timidity") and FREEPATS.is_file()), reason="timidity or freepats is missing")
@pytest.mark.parametrize("program", [0, 24, 40, 60, 73])
def test_patches_sound_at_their_time_and_pitch(program: int) -> None:
    part = Part("lead", program, (Note(0.5, 1.0, 69, 100),))
    sound = PatchSet(FREEPATS, find_program("timidity", None)).sound(part, seconds=2.0)
    assert sound.shape == (1, 2 * SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(sound[0]) > 0.1 * np.abs(sound).max()) / SAMPLE_RATE
    assert loud[0] == pytest.approx(0.5, abs=0.02)
    hz = np.abs(np.fft.rfft(sound[0] * np.hanning(sound.shape[1]))).argmax() / 2
    assert 12 * abs(np.log2(hz / 440)) < 0.2
