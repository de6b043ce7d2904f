"""Music accompanied by MMA: sheets and solos keep their rules, the studio keeps its laws, one family is heard."""

import ast
import os
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets import accompanied
from training.datasets.accompanied import studio
from training.datasets.accompanied.band import (
    SAMPLE_RATE,
    BandMissingError,
    PlayingError,
    Tools,
    accompany,
    find_tools,
)
from training.datasets.accompanied.grooves import GENRES
from training.datasets.accompanied.moods import MOODS
from training.datasets.accompanied.piece import compose, make_piece
from training.datasets.accompanied.players import FAMILIES
from training.datasets.accompanied.score import Band, mma_source
from training.datasets.accompanied.sheet import BARS, NOTES, write_sheet
from training.datasets.accompanied.solo import BEATS, BLUES_SCALES, SCALES, euclidean, write_solo
from training.datasets.accompanied.studios import ERAS, Hall
from training.datasets.rendered.factors import VALUES, Factors

MMA = os.environ.get("FACET_MMA") or shutil.which("mma")
SOUNDFONT = Path(os.environ.get("FACET_TIMGM6MB", "/usr/share/sounds/sf2/TimGM6mb.sf2"))
CAN_PLAY = bool(MMA and shutil.which("fluidsynth") and SOUNDFONT.is_file())
plays = pytest.mark.skipif(
    not CAN_PLAY,
    reason="needs mma (or FACET_MMA), fluidsynth and TimGM6mb.sf2 (or FACET_TIMGM6MB); Debian packages all three",
)

seeds = st.integers(min_value=0, max_value=2**32)
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
DRUM_CHANNEL = 9
BASSES = set(range(32, 40))


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def sine(hz: float, seconds: float = 2.0) -> np.ndarray:
    wave = 0.1 * np.sin(2 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    return np.stack([wave, wave])


def midi_events(midi: bytes) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Kind (9 note on, 12 program change …), channel and data of a MIDI file's channel messages."""
    at = 14
    while at < len(midi):
        end = at + 8 + int.from_bytes(midi[at + 4 : at + 8], "big")
        at, status = at + 8, 0
        while at < end:
            while midi[at] >= 0x80:  # time since the last event, seven bits a byte
                at += 1
            at += 1
            if midi[at] >= 0x80:
                status, at = midi[at], at + 1
            if status == 0xFF:
                at += 2 + midi[at + 1]
            elif status in {0xF0, 0xF7}:
                at += 1 + midi[at]
            else:
                length = 1 if status >> 4 in {12, 13} else 2
                yield status >> 4, status & 15, tuple(midi[at : at + length])
                at += length


# --- independence


def test_nothing_is_taken_from_the_first_generator_but_its_factors_and_its_way_to_write_mp3() -> None:
    folder = Path(accompanied.__file__).parent
    shared = set()
    for path in [*folder.glob("*.py"), folder.parent / "accompanied_set.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and "rendered" in (node.module or ""):
                shared.add(node.module)
            if isinstance(node, ast.Import):
                assert not any("rendered" in name.name for name in node.names)
    assert shared == {"training.datasets.rendered.factors", "training.datasets.rendered.mp3"}


def test_every_value_of_every_factor_is_known_to_the_table_that_makes_it_heard() -> None:
    for factor, table in {"genre": GENRES, "mood": MOODS, "instrument": FAMILIES, "era": ERAS}.items():
        assert tuple(table) == VALUES[factor]
    assert tuple(BARS) == VALUES["genre"]


def test_no_program_belongs_to_two_families() -> None:
    owners = [{player.program for player in (*family.solos, *family.chords)} for family in (*FAMILIES.values(),)] + [
        BASSES
    ]
    assert sum(map(len, owners)) == len(set().union(*owners))


# --- sheet and solo


@given(seeds, st.sampled_from(VALUES["genre"]), st.sampled_from(["major", "minor"]), st.integers(4, 8))
def test_a_sheet_begins_and_ends_at_home_and_stays_in_its_key(seed, genre, mode, bars) -> None:
    sheet = write_sheet(genre, mode, bars=bars, enrichment=0, rng=rng(seed))
    assert len(sheet.bars) == bars
    assert sheet.bars[0][0].root == sheet.bars[-1][0].root == sheet.tonic
    # In major the one tone that may be borrowed is the lowered seventh, as root or as a chord tone.
    allowed = {(sheet.tonic + step) % 12 for step in (MAJOR if mode == "major" else MINOR)}
    borrowed = {(sheet.tonic + 10) % 12} if mode == "major" else set()
    for chord in (chord for bar in sheet.bars for chord in bar):
        assert set(chord.tones) <= allowed | borrowed
        assert chord.symbol.startswith(NOTES[chord.root])


@given(seeds)
def test_a_sheet_keeps_its_key_in_every_genre_and_mode(seed) -> None:
    written = {
        write_sheet(genre, mode, bars=6, enrichment=0, rng=rng(seed)).tonic
        for genre, mode in product(VALUES["genre"], ("major", "minor"))
    }
    assert len(written) == 1


@given(st.integers(1, 16), st.integers(1, 16), st.integers(0, 16))
def test_euclidean_rhythms_are_as_even_as_may_be(onsets, steps, turn) -> None:
    if onsets > steps:
        with pytest.raises(ValueError, match="do not fit"):
            euclidean(onsets, steps, turn=turn)
        return
    places = euclidean(onsets, steps, turn=turn)
    gaps = [(after - before) % steps or steps for before, after in zip(places, (*places[1:], places[0]), strict=True)]
    assert len(set(places)) == onsets
    assert sum(gaps) == steps
    assert max(gaps) - min(gaps) <= 1


def test_three_in_eight_is_the_tresillo() -> None:
    places = euclidean(3, 8)
    turns = {tuple(sorted((place + turn) % 8 for place in places)) for turn in range(8)}
    assert (0, 3, 6) in turns


@given(seeds, st.sampled_from(VALUES["genre"]), st.sampled_from(VALUES["mood"]), st.sampled_from([0.5, 0.6, 0.66]))
def test_a_solo_is_one_line_in_its_scale_with_chord_tones_on_the_beats(seed, genre, mood, swing) -> None:
    traits = MOODS[mood]
    sheet = write_sheet(genre, traits.mode, bars=6, enrichment=0, rng=rng(seed))
    solo = write_solo(sheet, genre=genre, mood=traits, swing=swing, shift=0, rng=rng(seed))
    starts = [note.bar * BEATS + note.beat for note in solo]
    assert starts == sorted(set(starts))
    for note, start, following in zip(solo, starts, starts[1:], strict=False):
        assert start + note.beats <= following + 1e-9
    scale = {(sheet.tonic + step) % 12 for table in (SCALES, BLUES_SCALES) for step in table[sheet.mode]}
    for note in solo:
        chords = sheet.bars[note.bar]
        chord = chords[int(note.beat * len(chords) / BEATS)]
        assert note.pitch % 12 in (set(chord.tones) if note.beat == int(note.beat) else scale)
        assert 1 <= note.velocity <= 127
        assert abs(note.pitch - traits.middle) <= traits.reach + 7
    assert solo[-1].pitch % 12 == sheet.tonic


def test_a_piece_changes_in_nothing_that_is_written_but_its_factor() -> None:
    factors = Factors(genre="rock", mood="happy", instrument="guitar", era="90s")
    one, _ = compose(factors, writing=rng(1), playing=rng(2))
    again, _ = compose(factors, writing=rng(1), playing=rng(2))
    other, _ = compose(factors.changed("era", "60s"), writing=rng(1), playing=rng(2))
    assert one == again
    changed = [pair for pair in zip(one.splitlines(), other.splitlines(), strict=True) if pair[0] != pair[1]]
    assert changed
    assert all(before.startswith("AllTracks DRUM Voice") for before, _ in changed)


@given(seeds, st.sampled_from(VALUES["genre"]), st.sampled_from(VALUES["mood"]))
def test_a_piece_lasts_10_to_20_seconds(seed, genre, mood) -> None:
    _, seconds = compose(
        Factors(genre=genre, mood=mood, instrument="piano", era="70s"), writing=rng(seed), playing=rng(seed)
    )
    assert 10 <= seconds <= 20


# --- the studio


@pytest.mark.parametrize("era", VALUES["era"])
@pytest.mark.parametrize("hz", [250.0, 1000.0, 3500.0])
def test_a_studio_bends_the_spectrum_along_its_curve(era, hz) -> None:
    curve = ERAS[era].curve
    expected = np.interp(np.log(hz), np.log([point for point, _ in curve]), [gain for _, gain in curve])
    before = sine(hz)
    after = studio.equalise(before, curve, tilt=0.0)
    inner = slice(SAMPLE_RATE // 2, -SAMPLE_RATE // 2)
    assert studio.decibels(after[:, inner]) - studio.decibels(before[:, inner]) == pytest.approx(expected, abs=0.7)


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_a_hall_dies_away_in_its_time(seconds) -> None:
    hall = Hall(seconds=seconds, size=0.04, damping=0.0, level=0.0, pre_delay=0.0)
    click = np.zeros((2, round(1.5 * seconds * SAMPLE_RATE)))
    click[:, 0] = 1.0
    # Schroeder's backward integral falls by 60 dB in the hall's time; read from -5 to -35 dB.
    energy = np.cumsum((studio.reverberate(click, hall) ** 2).sum(axis=0)[::-1])[::-1]
    level = 10 * np.log10(energy / energy[0])
    fallen = [int(np.argmax(level < -depth)) / SAMPLE_RATE for depth in (5, 35)]
    assert 2 * (fallen[1] - fallen[0]) == pytest.approx(seconds, rel=0.1)


def test_width_nought_is_mono_and_one_changes_nothing() -> None:
    noise = rng().standard_normal((2, 1000))
    assert np.array_equal(*studio.widen(noise, 0.0))
    assert studio.widen(noise, 1.0) == pytest.approx(noise)


def test_valves_keep_the_level_and_add_even_and_odd_harmonics() -> None:
    before = sine(441.0, seconds=1.0)
    after = studio.warm(before, 1.6)
    assert studio.decibels(after) == pytest.approx(studio.decibels(before), abs=0.01)
    spectrum = 20 * np.log10(np.abs(np.fft.rfft(after[0])) + 1e-9)
    harmonics = spectrum[[441, 882, 1323]] - spectrum[441]
    assert harmonics[1] > -40
    assert harmonics[2] > -40


def test_a_tapes_wavering_bends_the_pitch_by_its_depth() -> None:
    after = studio.waver(sine(1000.0, seconds=4.0), depth=0.002, rng=rng())[0]
    inner = after[SAMPLE_RATE // 10 :]
    crossings = np.flatnonzero((inner[:-1] < 0) & (inner[1:] >= 0))
    exact = crossings - inner[crossings] / (inner[crossings + 1] - inner[crossings])
    pitch = SAMPLE_RATE / np.diff(exact)
    assert np.abs(pitch / 1000 - 1).max() == pytest.approx(0.002, rel=0.2)


@settings(max_examples=5, deadline=None)
@given(seeds, st.sampled_from(VALUES["era"]), st.floats(-45, 0))
def test_a_mix_leaves_the_studio_unclipped_whatever_its_level(seed, era, level) -> None:
    noise = rng(seed).standard_normal((2, SAMPLE_RATE)) * np.linspace(1, 0.1, SAMPLE_RATE)
    after = studio.produce(noise * 10 ** (level / 20), ERAS[era], rng=rng(seed))
    assert after.shape == noise.shape
    assert np.abs(after).max() <= studio.CEILING + 1e-9
    assert studio.QUIETEST - 6 < studio.decibels(after) <= studio.LOUDEST + 1e-6


# --- the band


def test_a_missing_tool_is_named_with_the_package_that_has_it(tmp_path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "other.sf2").write_bytes(b"RIFF")
    with pytest.raises(BandMissingError, match="Debian's package mma"):
        find_tools(mma=tmp_path / "none", fluidsynth=program, soundfont=tmp_path / "other.sf2")
    with pytest.raises(BandMissingError, match="Debian's package fluidsynth"):
        find_tools(mma=program, fluidsynth=tmp_path / "none", soundfont=tmp_path / "other.sf2")
    with pytest.raises(BandMissingError, match="take TimGM6mb"):
        find_tools(mma=program, fluidsynth=program, soundfont=tmp_path / "none.sf2")
    with pytest.raises(BandMissingError, match="expected c5378b62028c"):
        find_tools(mma=program, fluidsynth=program, soundfont=tmp_path / "other.sf2")
    tools = find_tools(mma=program, fluidsynth=program, soundfont=tmp_path / "other.sf2", expected_sha256=None)
    assert tools.mma == program


@pytest.fixture(scope="module")
def tools() -> Tools:
    return find_tools(mma=Path(MMA) if MMA else None, fluidsynth=None, soundfont=SOUNDFONT)


GROOVES = [
    pytest.param(genre, groove, mood, id=f"{genre}-{mood}-{groove.name}")
    for genre, table in GENRES.items()
    for mood, grooves in (("party", table.lively), ("sad", table.calm))
    for groove in grooves
]


@plays
@pytest.mark.parametrize(("genre", "groove", "mood"), GROOVES)
def test_only_one_family_bass_and_drums_are_heard_in_every_groove(genre, groove, mood, tools) -> None:
    solo, chords, bass, kit = 40, 48, 33, 16
    family = FAMILIES["strings"]
    traits = MOODS[mood]
    band = Band(groove=groove, solo=family.solos[0], chords=family.chords[0], bass=bass, kit=kit, pans=(50, 80))
    assert (band.solo.program, band.chords.program) == (solo, chords)
    sheet = write_sheet(genre, traits.mode, bars=4, enrichment=0, rng=rng())
    melody = write_solo(sheet, genre=genre, mood=traits, swing=groove.swing, shift=0, rng=rng())
    source = mma_source(sheet, melody, band=band, mood=traits, tempo=100.0, seed=1)
    programs, struck = {}, {}
    for kind, channel, data in midi_events(accompany(source, tools.mma)):
        if kind == 12:
            programs[channel] = data[0]
        if kind == 9 and data[1]:
            struck[channel] = struck.get(channel, 0) + 1
    assert programs[DRUM_CHANNEL] == kit
    heard = {programs[channel] for channel in struck if channel != DRUM_CHANNEL}
    assert heard == {solo, chords, bass}
    # The melody is there note for note, on the one channel that has its program.
    (solo_channel,) = (channel for channel, program in programs.items() if program == solo)
    assert struck[solo_channel] == len(melody)


@plays
def test_a_score_that_mma_refuses_is_an_error_with_its_words(tools) -> None:
    with pytest.raises(PlayingError, match=r"(?s)gave up.*Zz"):
        accompany("Groove casio/house:House\n1 Zz\n", tools.mma)


@plays
def test_a_piece_is_stereo_in_range_and_the_same_every_time(tools) -> None:
    factors = Factors(genre="jazz", mood="party", instrument="brass", era="60s")
    one, same = (make_piece(factors, tools, writing=rng(1), playing=rng(2)) for _ in range(2))
    assert np.array_equal(one, same)
    assert one.shape[0] == 2
    assert 10 <= one.shape[1] / SAMPLE_RATE <= 20
    # Sounding all through: no second of it is 30 dB below the whole, but the last, which dies away.
    whole = studio.decibels(one)
    for second in range(one.shape[1] // SAMPLE_RATE - 1):
        assert studio.decibels(one[:, second * SAMPLE_RATE : (second + 1) * SAMPLE_RATE]) > whole - 30
