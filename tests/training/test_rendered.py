"""Music of our own: the design is balanced, scores are music by rule, the studio keeps its laws, the files agree."""

import csv
import hashlib
import os
import tomllib
from collections import Counter
from itertools import combinations, pairwise, product
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets.rendered import effects
from training.datasets.rendered.composition import LONGEST, Composition, compose
from training.datasets.rendered.design import sample_pieces
from training.datasets.rendered.eras import ERAS
from training.datasets.rendered.factors import VALUES, Factors, UnknownFactorValueError, all_factors
from training.datasets.rendered.genres import GENRES
from training.datasets.rendered.harmony import SCALES, chord_from, lead_voices, voiced_tones
from training.datasets.rendered.instruments import ENSEMBLES
from training.datasets.rendered.loudness import integrated_loudness, k_weighting
from training.datasets.rendered.moods import MOODS
from training.datasets.rendered.mp3 import quantised, write_mp3
from training.datasets.rendered.performance import FADE, swung
from training.datasets.rendered.piece import write_score
from training.datasets.rendered.production import CEILING, LOUDNESS, render
from training.datasets.rendered.score import Note, Score, without_overlaps
from training.datasets.rendered.separability import held_out_accuracy, plain_features
from training.datasets.rendered.synthesis import SAMPLE_RATE, Soundfont, SoundfontMismatchError
from training.datasets.rendered.tune import draw_tune

SAMPLES = Path(__file__).parents[2] / "samples"
CATALOGUE = [piece.factors for piece in sample_pieces()]
NAMES = ["path", "track_id", "title", "artist", "album", "year"]
COLUMNS = [*NAMES, "genre", "mood", "instrument", "era", "tags", "split", "seconds", "sha256"]

# The Last.fm tags among the values; the spelling is the tag's own.
LAST_FM = {"rock", "electronic", "jazz", "country", "blues", "funk", "happy", "sad", "party", "chillout", "guitar"}

factors_drawn = st.builds(Factors, **{factor: st.sampled_from(values) for factor, values in VALUES.items()})
seeds = st.integers(min_value=0, max_value=2**32)


def score_of(factors: Factors, seed: int = 107) -> Score:
    return write_score(factors, rng=np.random.default_rng(seed))


def composed(genre: str, mood: str, seed: int) -> Composition:
    return compose(draw_tune(np.random.default_rng(seed)), mood=MOODS[mood], genre=GENRES[genre])


# --- factors and design


def test_every_value_of_every_factor_is_known_to_the_module_that_makes_it_heard() -> None:
    for factor, table in {"genre": GENRES, "mood": MOODS, "instrument": ENSEMBLES, "era": ERAS}.items():
        assert tuple(table) == VALUES[factor]


def test_values_that_are_last_fm_tags_keep_their_spelling() -> None:
    ours = {value for values in VALUES.values() for value in values}
    assert {value for value in ours if value.casefold() in {tag.casefold() for tag in LAST_FM}} == LAST_FM
    assert set(VALUES["era"]) == {"60s", "70s", "80s", "90s", "00s"}


def test_an_unknown_value_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(UnknownFactorValueError, match="did you mean 'electronic'"):
        Factors(genre="electronica", mood="sad", instrument="piano", era="80s")


def test_every_value_and_every_pair_of_values_occurs_equally_often_in_the_catalogue() -> None:
    assert len(CATALOGUE) == len(set(CATALOGUE)) == 96
    for strength in (1, 2):
        for chosen in combinations(VALUES, strength):
            counts = Counter(tuple(getattr(factors, factor) for factor in chosen) for factors in CATALOGUE)
            levels = [len({getattr(factors, factor) for factors in CATALOGUE}) for factor in chosen]
            assert len(counts) == np.prod(levels)
            assert len(set(counts.values())) == 1


def test_every_piece_has_a_neighbour_of_its_own_tune_in_every_dimension() -> None:
    pieces = list(sample_pieces())
    for piece in pieces:
        steps = Counter(
            other.factors.differing(piece.factors)
            for other in pieces
            if other.tune == piece.tune and len(other.factors.differing(piece.factors)) == 1
        )
        assert steps == {("genre",): 1, ("mood",): 1, ("instrument",): 1, ("era",): 2}


# --- scores


def test_the_same_seed_writes_the_same_score_and_another_seed_another() -> None:
    factors = CATALOGUE[17]
    assert score_of(factors, 5) == score_of(factors, 5)
    assert score_of(factors, 5).fingerprint() != score_of(factors, 6).fingerprint()


def test_scores_are_those_the_catalogue_was_rendered_from() -> None:
    # A golden value: whoever changes a note must render the samples anew, and then this line. (A numpy whose
    # generators draw other numbers from the same seed changes every note.)
    seeds = [tune["seed"] for tune in tomllib.loads((SAMPLES / "names.toml").read_text("utf-8"))["tunes"]]
    digest = hashlib.sha256()
    for piece in sample_pieces():
        digest.update(score_of(piece.factors, seeds[piece.tune]).fingerprint().encode())
    assert digest.hexdigest() == "0d90dbce2845cb3801a1654a5c9ee81cfbd2ab7b5f60723fdec225ee28bf6305"


@settings(max_examples=60, deadline=None)
@given(factors=factors_drawn, seed=seeds)
def test_every_score_keeps_to_its_length_and_to_the_instruments_ranges(factors: Factors, seed: int) -> None:
    score = score_of(factors, seed)
    assert 12.0 <= score.seconds <= LONGEST + 0.65  # slowing down at the end adds half a second at most
    ranges = {"lead": (40, 88), "chords": (36, 84), "bass": (26, 50), "colour": (48, 84), "sequence": (60, 96)}
    for part in score.parts:
        for note in part.notes:
            assert 1 <= note.velocity <= 127
            assert 0 <= note.start < note.start + note.seconds <= score.seconds
            low, high = ranges.get(part.role, (35, 81))
            assert low <= note.pitch <= high, part.role
        for pitch in {note.pitch for note in part.notes}:
            same = [note for note in part.notes if note.pitch == pitch]
            assert all(a.start + a.seconds < b.start for a, b in pairwise(same))


@pytest.mark.parametrize("genre", VALUES["genre"])
@pytest.mark.parametrize("mood", VALUES["mood"])
def test_another_era_plays_the_same_notes(genre: str, mood: str) -> None:
    old = score_of(Factors(genre=genre, mood=mood, instrument="guitar", era="60s"))
    new = score_of(old.factors.changed("era", "00s"))
    assert [part.notes for part in old.parts] == [part.notes for part in new.parts]
    assert old.part("colour").program != new.part("colour").program


@pytest.mark.parametrize(("genre", "mood"), list(product(VALUES["genre"], ("happy", "sad"))))
def test_another_instrument_plays_the_same_notes_and_the_band_beside_it_stays(genre: str, mood: str) -> None:
    guitar = score_of(Factors(genre=genre, mood=mood, instrument="guitar", era="80s"))
    strings = score_of(guitar.factors.changed("instrument", "strings"))
    assert guitar.part("lead").program != strings.part("lead").program
    assert guitar.part("chords").program != strings.part("chords").program
    for ours, theirs in zip(guitar.parts, strings.parts, strict=True):
        if ours.role not in {"lead", "chords"}:
            assert ours == theirs
    ours, theirs = (score.part("lead").notes for score in (guitar, strings))
    assert sorted((note.pitch, note.velocity) for note in ours) == sorted(
        (note.pitch, note.velocity) for note in theirs
    )
    # Bows are put on early, because they speak late: by the same time for every note that does not begin the piece.
    early = ENSEMBLES["strings"].lead_for(genre).speaks - ENSEMBLES["guitar"].lead_for(genre).speaks
    starts = zip(sorted(note.start for note in ours), sorted(note.start for note in theirs), strict=True)
    assert all(a - b == pytest.approx(early) for a, b in starts if b > 0)


def test_moods_are_told_by_pace_mode_loudness_and_density() -> None:
    for genre, seed in product(VALUES["genre"], range(5)):
        scores = {
            mood: score_of(Factors(genre=genre, mood=mood, instrument="piano", era="80s"), seed) for mood in MOODS
        }
        assert scores["sad"].tempo <= scores["chillout"].tempo < scores["happy"].tempo < scores["party"].tempo
        loud = {mood: np.mean([note.velocity for note in score.part("lead").notes]) for mood, score in scores.items()}
        assert loud["sad"] < loud["chillout"] < loud["happy"] < loud["party"]
        strikes = {mood: sum(len(p.notes) for p in s.parts) / s.seconds for mood, s in scores.items()}
        assert strikes["sad"] < strikes["happy"] < strikes["party"]
        thirds = {mood: composed(genre, mood, seed).bars[-1].chords[0][1].tones[1] for mood in MOODS}
        assert thirds == {"happy": 4, "sad": 3, "party": 4, "chillout": 4}


def test_jazz_swings_and_rock_does_not() -> None:
    assert swung(0.5, GENRES["rock"]) == pytest.approx(0.5)
    assert swung(0.5, GENRES["jazz"]) == pytest.approx(0.64)
    for genre in GENRES.values():
        places = [swung(beat, genre) for beat in np.arange(-2, 6, 1 / 16)]
        assert all(a < b for a, b in pairwise(places))
        assert [swung(beat, genre) for beat in range(-2, 6)] == pytest.approx(list(range(-2, 6)))


def test_house_has_four_kicks_on_the_floor_and_rock_its_snare_on_two_and_four() -> None:
    house = score_of(Factors(genre="electronic", mood="happy", instrument="piano", era="00s"))
    rock = score_of(Factors(genre="rock", mood="happy", instrument="piano", era="00s"))
    for score, role, beats in ((house, "kick", {0, 1, 2, 3}), (rock, "snare", {1, 3})):
        # The second full bar, clear of intro and fills; one beat of lead-in stands before the first.
        bar = [(note.start * score.tempo / 60 - 1.0) - 4 for note in score.part(role).notes]
        inside = [beat for beat in bar if -0.1 <= beat < 3.9]
        assert {round(beat) for beat in inside} == beats
        assert max(abs(beat - round(beat)) for beat in inside) < 0.05


@settings(max_examples=40, deadline=None)
@given(genre=st.sampled_from(VALUES["genre"]), mood=st.sampled_from(VALUES["mood"]), seed=seeds)
def test_the_tune_rests_on_chord_tones_has_rests_and_ends_at_home(genre: str, mood: str, seed: int) -> None:
    composition = composed(genre, mood, seed)
    for note in composition.melody:
        if note.beat >= 0 and note.beat % 2 == 0:
            tones = composition.chord_at(note.beat).tones
            assert (note.pitch - composition.tonic) % 12 in tones
    assert (composition.melody[-1].pitch - composition.tonic) % 12 == 0
    assert composition.melody[-1].beat == composition.last_beat
    for before, after in pairwise(composition.melody):
        assert before.beat + before.beats <= after.beat + 1e-9
    phrase = [note for note in composition.melody if note.beat >= 0]
    assert len({note.pitch for note in phrase}) >= 4
    leaps = [abs(a.pitch - b.pitch) for a, b in pairwise(phrase)]
    assert np.mean(np.array(leaps) <= 5) > 0.5


@settings(max_examples=30, deadline=None)
@given(seed=seeds, mood=st.sampled_from(["happy", "party"]))
def test_the_jazz_bass_walks_in_quarters_and_steps_into_each_bar(seed: int, mood: str) -> None:
    score = score_of(Factors(genre="jazz", mood=mood, instrument="piano", era="60s"), seed)
    bass = score.part("bass").notes
    composition = composed("jazz", mood, seed)
    full_bars = len(composition.bars) - 1
    assert len(bass) == 4 * full_bars + 1
    for bar in range(1, full_bars + 1):
        assert abs(bass[4 * bar - 1].pitch - bass[4 * bar].pitch) in {1, 11, 13}


def test_a_minor_key_has_its_leading_note_on_the_dominant() -> None:
    assert chord_from("5", SCALES["minor"], size=4).tones == (7, 11, 2, 5)
    assert chord_from("1", SCALES["minor"], size=3).tones == (0, 3, 7)
    # The dominant of the sixth degree in major: E7 in C.
    assert chord_from("d6", SCALES["major"], size=4).tones == (4, 8, 11, 2)


@settings(max_examples=80, deadline=None)
@given(
    tonic=st.integers(48, 71),
    symbols=st.lists(st.sampled_from(["1", "2", "4", "5", "6", "d2"]), min_size=2, max_size=6),
    size=st.integers(3, 5),
    scale=st.sampled_from(sorted(SCALES)),
)
def test_voices_are_chord_tones_in_range_and_move_no_further_than_they_must(
    tonic: int, symbols: list[str], size: int, scale: str
) -> None:
    previous = None
    for symbol in symbols:
        chord = chord_from(symbol, SCALES[scale], size=size)
        tones = voiced_tones(chord, count=4)
        position = lead_voices(tones, previous, tonic=tonic, low=50, high=71)
        assert list(position) == sorted(position)
        assert {(pitch - tonic) % 12 for pitch in position} == set(tones)
        assert min(position) >= 50
        assert max(position) <= 71
        if previous is not None:
            assert abs(np.mean(position) - np.mean(previous)) <= 6
        previous = position


def test_a_note_struck_again_ends_before_its_next_strike() -> None:
    notes = [Note(0.0, 1.0, 60, 90), Note(0.5, 1.0, 60, 80), Note(0.502, 1.0, 60, 80), Note(0.5, 1.0, 64, 80)]
    kept = without_overlaps(notes)
    assert [note.start for note in kept if note.pitch == 60] == [0.0, 0.5]
    assert kept[0].seconds < 0.5
    assert Note(0.5, 1.0, 64, 80) in kept


# --- studio


def test_k_weighting_has_the_coefficients_of_the_standard() -> None:
    # ITU-R BS.1770, tables 1 and 2, at 48 kHz.
    shelf, low_cut = k_weighting(48_000)
    assert shelf[:3] == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285], abs=1e-9)
    assert shelf[4:] == pytest.approx([-1.69065929318241, 0.73248077421585], abs=1e-9)
    assert low_cut[4:] == pytest.approx([-1.99004745483398, 0.99007225036621], abs=1e-9)


def test_a_full_scale_sine_of_997_hz_in_one_channel_reads_minus_3_01() -> None:
    sine = np.sin(2 * np.pi * 997 * np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE)
    assert integrated_loudness(np.stack([sine, 0 * sine]), sample_rate=SAMPLE_RATE) == pytest.approx(-3.01, abs=0.02)
    assert integrated_loudness(np.zeros((2, SAMPLE_RATE)), sample_rate=SAMPLE_RATE) == float("-inf")


@settings(max_examples=20, deadline=None)
@given(seed=seeds, ceiling=st.floats(0.05, 0.9))
def test_the_limiter_lets_no_sample_through_above_its_ceiling(seed: int, ceiling: float) -> None:
    rng = np.random.default_rng(seed)
    sound = rng.standard_normal((2, 5000)) * rng.choice([0.01, 1.0], size=5000)
    assert np.abs(effects.limit(sound, ceiling=ceiling)).max() <= ceiling * (1 + 1e-9)
    quiet = sound * 0.9 * ceiling / np.abs(sound).max()
    assert effects.limit(quiet, ceiling=ceiling) == pytest.approx(quiet)


def test_the_compressor_brings_loud_and_soft_together() -> None:
    rng = np.random.default_rng(0)
    steps = np.repeat([0.05, 0.5, 0.05, 0.5], SAMPLE_RATE // 2)
    sound = rng.standard_normal((2, steps.size)) * steps
    squeezed = effects.compress(sound, threshold=-6.0, ratio=4.0)
    late = slice(SAMPLE_RATE // 4, SAMPLE_RATE // 2), slice(3 * SAMPLE_RATE // 4, SAMPLE_RATE)

    def spread(signal: np.ndarray) -> float:
        soft, loud = (effects.mean_level(signal[:, part]) for part in late)
        return loud - soft

    assert spread(sound) == pytest.approx(20.0, abs=0.3)
    assert 5.0 < spread(squeezed) < 15.0


@pytest.mark.parametrize("is_high", [True, False])
@pytest.mark.parametrize("gain", [-3.0, 4.5])
def test_a_shelf_gives_its_gain_on_its_side_and_none_on_the_other(gain: float, *, is_high: bool) -> None:
    impulse = np.zeros((1, 1 << 15))
    impulse[0, 0] = 1.0
    response = 20 * np.log10(np.abs(np.fft.rfft(effects.shelf(impulse, hz=1000.0, gain=gain, is_high=is_high)[0])))
    assert response[1] == pytest.approx(0.0 if is_high else gain, abs=0.05)
    assert response[-1] == pytest.approx(gain if is_high else 0.0, abs=0.05)


def test_saturation_keeps_the_mean_level_and_rounds_the_peaks() -> None:
    sound = np.random.default_rng(1).standard_normal((2, SAMPLE_RATE)) * 0.1
    driven = effects.saturate(sound, drive=1.5)
    assert effects.mean_level(driven) == pytest.approx(effects.mean_level(sound), abs=1e-6)
    assert np.abs(driven).max() < np.abs(sound).max()


def test_a_steady_delay_shifts_and_a_room_has_the_decay_it_was_given() -> None:
    sound = np.random.default_rng(2).standard_normal((2, 4000))
    late = effects.bend_time(sound, np.full((1, 4000), 10 / SAMPLE_RATE))
    assert late[:, 10:] == pytest.approx(sound[:, :-10], abs=1e-6)
    room = ERAS["80s"].studio.room
    response = effects.impulse_response(room, np.random.default_rng(3))
    begin, length = round(room.before * SAMPLE_RATE), round(room.seconds / 4 * SAMPLE_RATE)
    early, quarter_later = (
        effects.mean_level(response[:, at : at + 4000]) for at in (begin + 500, begin + 500 + length)
    )
    assert early - quarter_later == pytest.approx(15.0, abs=1.0)  # 60 dB in `seconds`, so 15 in a quarter


def test_mp3_keeps_length_and_names_and_refuses_what_would_clip(tmp_path: Path) -> None:
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    sound = np.stack([0.5 * np.sin(2 * np.pi * 440 * time), 0.25 * np.sin(2 * np.pi * 660 * time)])
    names = {"title": "Käse & Co", "artist": "Nobody", "album": "None", "date": "1967", "genre": "rock"}
    first, second = tmp_path / "a.mp3", tmp_path / "b.mp3"
    for path in (first, second):
        write_mp3(quantised(sound), path, sample_rate=SAMPLE_RATE, bit_rate=64_000, tags=names)
    assert first.read_bytes() == second.read_bytes()
    again, metadata = decoded(first)
    assert metadata == names
    assert again.shape[1] == pytest.approx(sound.shape[1], abs=1152)
    assert np.corrcoef(again[0, 5000:60000], sound[0, 5000:60000])[0, 1] > 0.99
    with pytest.raises(ValueError, match=r"peaks at 1\.500"):
        quantised(sound * 3)


def test_a_soundfont_that_is_not_the_expected_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sf2"
    path.write_bytes(b"RIFF")
    with pytest.raises(SoundfontMismatchError, match="expected 74594e8f4250"):
        Soundfont(path)


@pytest.mark.skipif("FACET_SOUNDFONT" not in os.environ, reason="FACET_SOUNDFONT names no FluidR3_GM.sf2")
def test_a_piece_sounds_the_same_whenever_it_is_rendered_and_as_the_file_that_ships() -> None:
    soundfont = Soundfont(Path(os.environ["FACET_SOUNDFONT"]))
    number, row = next(
        (number, row) for number, row in enumerate(manifest()) if row["track_id"] == "lanterns-jazz-sad-guitar-80s"
    )
    factors = Factors(**{factor: row[factor] for factor in VALUES})
    sounds = []
    for other in ("strings", None):
        sounds.append(render(score_of(factors), soundfont, rng=np.random.default_rng((107, number))))
        if other:  # what is rendered in between leaves no trace
            render(score_of(factors.changed("instrument", other)), soundfont, rng=np.random.default_rng(1))
    assert (quantised(sounds[0]) == quantised(sounds[1])).all()
    assert integrated_loudness(sounds[0], sample_rate=SAMPLE_RATE) == pytest.approx(LOUDNESS, abs=0.2)
    assert np.abs(sounds[0]).max() <= 10 ** (CEILING / 20) * (1 + 1e-9)
    shipped, _ = decoded(SAMPLES / row["path"])
    length = min(shipped.shape[1], sounds[0].shape[1])
    middle = [sound[:, :length].mean(axis=0) for sound in (shipped, sounds[0])]
    assert np.corrcoef(*middle)[0, 1] > 0.97  # what the codec leaves of it


# --- the catalogue that ships


def manifest() -> list[dict[str, str]]:
    with (SAMPLES / "manifest.csv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def decoded(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(frames, axis=1).astype(np.float64), dict(container.metadata)


def test_the_manifest_names_exactly_the_design_and_the_files_that_lie_there() -> None:
    rows = manifest()
    assert list(rows[0]) == COLUMNS
    assert [Factors(**{factor: row[factor] for factor in VALUES}) for row in rows] == CATALOGUE
    assert {row["path"] for row in rows} == {f"audio/{path.name}" for path in (SAMPLES / "audio").iterdir()}
    for row in rows:
        content = (SAMPLES / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert row["tags"].split(";") == [row[factor] for factor in VALUES]
        assert row["split"] == ""
        first, last = ERAS[row["era"]].years
        assert first <= int(row["year"]) <= last
    assert sum(path.stat().st_size for path in (SAMPLES / "audio").iterdir()) < 12_000_000


def test_names_are_unique_and_an_artist_gives_away_genre_and_era_at_most() -> None:
    rows = manifest()
    assert len({row["title"] for row in rows}) == len({row["track_id"] for row in rows}) == len(rows)
    by_artist: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_artist.setdefault(row["artist"], []).append(row)
    assert len(by_artist) == 24
    for mine in by_artist.values():
        assert len({row["mood"] for row in mine}) == len({row["instrument"] for row in mine}) == len(mine) == 4
        assert len({(row["album"], row["year"], row["genre"], row["era"]) for row in mine}) == 1


@pytest.fixture(scope="module")
def heard() -> tuple[list[dict[str, str]], list[np.ndarray], list[dict[str, str]]]:
    rows = manifest()
    sounds, names = zip(*(decoded(SAMPLES / row["path"]) for row in rows), strict=True)
    return rows, list(sounds), list(names)


def test_files_say_in_their_tags_and_length_what_the_manifest_says(
    heard: tuple[list[dict[str, str]], list[np.ndarray], list[dict[str, str]]],
) -> None:
    for row, sound, names in zip(*heard, strict=True):
        assert sound.shape[0] == 2
        assert sound.shape[1] / SAMPLE_RATE == pytest.approx(float(row["seconds"]), abs=0.06)
        assert 12.0 <= float(row["seconds"]) <= 16.0
        assert names == {**{key: row[key] for key in ("title", "artist", "album", "genre")}, "date": row["year"]}


def test_all_samples_are_equally_loud_unclipped_and_fade_into_silence(
    heard: tuple[list[dict[str, str]], list[np.ndarray], list[dict[str, str]]],
) -> None:
    for row, sound in list(zip(heard[0], heard[1], strict=True))[::5]:  # five is prime to three eras: all occur
        # LAME at average bit rate turns down by half a decibel.
        assert integrated_loudness(sound, sample_rate=SAMPLE_RATE) == pytest.approx(LOUDNESS - 0.5, abs=0.6), row
        assert np.abs(sound).max() < 0.99
        assert effects.mean_level(sound[:, -round(0.2 * FADE * SAMPLE_RATE) :]) < -60


def test_every_label_can_be_heard_in_eras_or_genres_not_met_before(
    heard: tuple[list[dict[str, str]], list[np.ndarray], list[dict[str, str]]],
) -> None:
    rows, sounds, _ = heard
    features = np.stack([plain_features(sound, sample_rate=SAMPLE_RATE) for sound in sounds])
    for factor in VALUES:
        groups = [row["genre" if factor == "era" else "era"] for row in rows]
        assert held_out_accuracy(features, [row[factor] for row in rows], groups) > 0.8, factor


def test_held_out_accuracy_is_one_for_told_labels_chance_for_noise_and_refuses_what_cannot_be_learnt() -> None:
    rng = np.random.default_rng(4)
    labels = ["a", "b"] * 100
    groups = [str(number // 20) for number in range(200)]
    told = np.where(np.array(labels) == "a", 1.0, -1.0)[:, None] + 0.1 * rng.standard_normal((200, 3))
    assert held_out_accuracy(told, labels, groups) == 1.0
    assert held_out_accuracy(rng.standard_normal((200, 3)), labels, groups) == pytest.approx(0.5, abs=0.12)
    with pytest.raises(ValueError, match="give it to two groups"):
        held_out_accuracy(told, labels, labels)


def test_all_factors_can_be_combined() -> None:
    combinations_of_all = list(all_factors())
    assert len(set(combinations_of_all)) == np.prod([len(values) for values in VALUES.values()])
    for factors in combinations_of_all[::7]:
        assert {part.role for part in score_of(factors).parts} >= {"lead", "chords", "bass", "cymbals", "colour"}
