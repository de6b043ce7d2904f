"""What is kept is what the bundle hears in each clip, however often the work was interrupted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.analysis import Analyser
from index.audio import AudioError, AudioErrorCode, ExcerptBlock
from index.decoder import Decoder
from index.model import ModelBundle
from tests.training.evaluation.small_bundle import RATE, SAMPLES, TAGS, weights, write_bundle, write_noise
from training.datasets.labels import labels_of
from training.datasets.manifest import Manifest
from training.datasets.manifest_files import read_manifest, write_manifest
from training.evaluation import embedding_store
from training.evaluation.conditions import CONDITIONS
from training.evaluation.embedding_store import ROWS_PER_SHARD, Embedded, embed_tracks
from training.evaluation.evaluation import EvaluationError
from training.vocabulary import Vocabulary, VocabularyTag

ROOT = Path(__file__).parents[3]
# "bright" is unknown to the bundle, whose tags stand in another order.
VOCABULARY = Vocabulary(
    name="small",
    source="small",
    dimensions=("groove", "timbre"),
    tags=(VocabularyTag("swung", "groove"), VocabularyTag("bright", "timbre"), VocabularyTag("warm", "timbre")),
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return ModelBundle.open(write_bundle(tmp_path_factory.mktemp("bundle") / "small"))


@pytest.fixture(scope="module")
def decoder():
    with Decoder() as decoder:
        yield decoder


class Store:
    """Embeds into one folder."""

    def __init__(self, bundle: ModelBundle, decoder: Decoder, folder: Path) -> None:
        self.bundle, self.decoder, self.folder = bundle, decoder, folder
        self.done: list[int] = []

    def embed(self, manifest: Manifest, **settings) -> Embedded:
        self.done = []
        return embed_tracks(
            self.bundle,
            self.decoder,
            manifest,
            labels_of(manifest, VOCABULARY),
            folder=self.folder,
            watch=lambda done, _: self.done.append(done),
            **settings,
        )


@pytest.fixture
def store(bundle: ModelBundle, decoder: Decoder, tmp_path: Path) -> Store:
    return Store(bundle, decoder, tmp_path / "work")


def three_files(folder: Path) -> tuple[Manifest, list[np.ndarray]]:
    waveforms = [write_noise(folder / f"{n}.wav", seconds=1.6 + n, seed=n) for n in range(3)]
    manifest = Manifest.of(
        folder,
        path=["0.wav", "1.wav", "2.wav"],
        track_id=["zero", "one", "two"],
        artist=["A", "", "B"],
        album=["", "", "First"],
        tags=[("swung", "bright"), (), ("warm", "other")],
    )
    return manifest, waveforms


def side_by_side(waveform: np.ndarray) -> np.ndarray:
    return waveform[: len(waveform) // SAMPLES * SAMPLES].reshape(-1, SAMPLES)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def assert_same(found: Embedded, expected: Embedded) -> None:
    for name in ("labels", "excerpts", "track", "starts_seconds", "tag_scores", "excerpt_tag_scores"):
        np.testing.assert_array_equal(getattr(found.tracks, name), getattr(expected.tracks, name))
    assert found.tracks.track_ids == expected.tracks.track_ids
    assert found.left_out == expected.left_out


def test_every_excerpt_of_a_file_is_encoded_and_every_label_kept(store: Store, tmp_path: Path) -> None:
    manifest, waveforms = three_files(tmp_path)
    tracks = store.embed(manifest).tracks
    to_embedding, to_logits = weights()
    expected = [side_by_side(waveform) @ to_embedding for waveform in waveforms]
    assert [len(each) for each in expected] == [3, 5, 7]
    np.testing.assert_allclose(tracks.excerpts, np.concatenate(expected), atol=1e-3)
    np.testing.assert_array_equal(tracks.track, [0] * 3 + [1] * 5 + [2] * 7)
    np.testing.assert_allclose(tracks.starts_seconds[3:8], [0.0, 0.5, 1.0, 1.5, 2.0])
    assert tracks.track_ids == ("zero", "one", "two")
    assert tracks.artists == ("A", "", "B")
    assert tracks.albums == ("", "", "First")
    assert tracks.tags == ("swung", "bright", "warm")
    assert tracks.notions == ("groove", "timbre", "timbre")
    np.testing.assert_array_equal(tracks.labels, [[True, True, False], [False] * 3, [False, False, True]])
    columns = [[name for name, _ in TAGS].index(tag) for tag in ("swung", "warm")]
    scores = np.stack([sigmoid(each @ to_logits).mean(axis=0)[columns] for each in expected])
    np.testing.assert_allclose(tracks.tag_scores[:, [0, 2]], scores, atol=1e-3)
    assert np.isnan(tracks.tag_scores[:, 1]).all()
    of_excerpts = np.concatenate([sigmoid(each @ to_logits)[:, columns] for each in expected])
    np.testing.assert_allclose(tracks.excerpt_tag_scores[:, [0, 2]], of_excerpts, atol=1e-3)
    assert np.isnan(tracks.excerpt_tag_scores[:, 1]).all()


def test_what_is_kept_is_what_the_service_would_store(store: Store, bundle: ModelBundle, tmp_path: Path) -> None:
    manifest, _ = three_files(tmp_path)
    for excerpts_per_track in (None, 2):
        tracks = store.embed(manifest, excerpts_per_track=excerpts_per_track).tracks
        analyser = Analyser(bundle, store.decoder, excerpts_per_track=excerpts_per_track)
        for number in range(3):
            analysis = analyser.analyse(manifest.audio(number))
            excerpts = bundle.subspaces.unit(tracks.excerpts[tracks.track == number])
            np.testing.assert_array_equal(excerpts, analysis.excerpt_vectors)
            np.testing.assert_array_equal(bundle.subspaces.mean(excerpts), analysis.vector)


def test_a_clip_begins_and_ends_where_the_manifest_says(store: Store, tmp_path: Path) -> None:
    waveform = write_noise(tmp_path / "long.wav", seconds=4.0, seed=9)
    manifest = Manifest.of(
        tmp_path,
        path=["long.wav"] * 3,
        track_id=["a", "b", "c"],
        start_seconds=[0.7137, 0.0, 3.1],
        duration_seconds=[1.3, 0.9, 0.9],
    )
    tracks = store.embed(manifest).tracks
    begin = round(0.7137 * RATE)
    expected = [waveform[begin : begin + 2 * SAMPLES], waveform[:SAMPLES], waveform[24_800 : 24_800 + SAMPLES]]
    np.testing.assert_array_equal(tracks.track, [0, 0, 1, 2])
    np.testing.assert_allclose(
        tracks.excerpts, np.concatenate([side_by_side(each) for each in expected]) @ weights()[0], atol=1e-3
    )


def test_a_clip_that_is_cut_out_sounds_like_the_same_in_the_whole_file(store: Store) -> None:
    """At another rate than the file's, too: pieces that are resampled one by one fit together."""
    manifest = read_manifest(ROOT / "samples" / "manifest.csv").take(np.arange(2))
    clipped = Manifest.of(manifest.folder, path=manifest.path, track_id=manifest.track_id, duration_seconds=[9.0] * 2)
    whole, cut = store.embed(manifest).tracks, store.embed(clipped).tracks
    within = whole.starts_seconds <= 8.5
    np.testing.assert_allclose(cut.excerpts, whole.excerpts[within], atol=1e-3)
    np.testing.assert_allclose(cut.starts_seconds, whole.starts_seconds[within])


def test_clips_of_one_track_become_one_track(store: Store, tmp_path: Path) -> None:
    write_noise(tmp_path / "long.wav", seconds=4.0, seed=9)
    manifest = Manifest.of(
        tmp_path,
        path=["long.wav"] * 3,
        track_id=["a", "b", "a"],
        start_seconds=[0.5, 0.0, 2.5],
        duration_seconds=[1.0, 0.5, 0.5],
        tags=[("swung",), (), ("warm",)],
    )
    tracks = store.embed(manifest).tracks
    assert tracks.track_ids == ("a", "b")
    np.testing.assert_array_equal(tracks.track, [0, 0, 0, 1])
    np.testing.assert_allclose(tracks.starts_seconds, [0.0, 0.5, 2.0, 0.0])
    np.testing.assert_array_equal(tracks.labels, [[True, False, True], [False] * 3])


def test_unusable_audio_is_left_out_and_told_by_its_code(store: Store, tmp_path: Path) -> None:
    manifest, _ = three_files(tmp_path)
    write_noise(tmp_path / "short.wav", seconds=0.2, seed=1)
    (tmp_path / "text.wav").write_text("not audio")
    paths = ["text.wav", "0.wav", "gone.wav", "short.wav", "2.wav", "2.wav"]
    manifest = Manifest.of(
        tmp_path, path=paths, track_id=["a", "b", "c", "d", "e", "f"], start_seconds=[0, 0, 0, 0, 0, 99]
    )
    result = store.embed(manifest)
    assert [(entry.path, entry.code) for entry in result.left_out] == [
        ("text.wav", "not_audio"),
        ("gone.wav", "missing"),
        ("short.wav", "too_short"),
        ("2.wav", "too_short"),
    ]
    assert result.tracks.track_ids == ("b", "e")
    assert set(result.tracks.track) == {0, 1}
    assert_same(store.embed(manifest), result)


def test_nothing_to_embed_is_an_error(store: Store, tmp_path: Path) -> None:
    manifest = Manifest.of(tmp_path, path=["gone.wav"], track_id=["a"])
    with pytest.raises(EvaluationError, match=r"none of the 1 rows.*missing: gone\.wav"):
        store.embed(manifest)


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_changes_the_embeddings_and_its_chance_is_seeded(
    store: Store, tmp_path: Path, name: str
) -> None:
    manifest, _ = three_files(tmp_path)
    plain = store.embed(manifest)
    changed = store.embed(manifest, condition=CONDITIONS[name], seed=1)
    assert changed.tracks.track_ids == plain.tracks.track_ids
    rows = min(len(plain.tracks.excerpts), len(changed.tracks.excerpts))
    assert not np.allclose(plain.tracks.excerpts[:rows], changed.tracks.excerpts[:rows], atol=1e-3)
    store.folder = tmp_path / "another"
    assert_same(store.embed(manifest, condition=CONDITIONS[name], seed=1), changed)
    if "noise" in name:
        other = store.embed(manifest, condition=CONDITIONS[name], seed=2)
        assert not np.array_equal(other.tracks.excerpts, changed.tracks.excerpts)


def test_what_is_kept_is_not_embedded_again_until_a_file_changes(store: Store, tmp_path: Path) -> None:
    manifest, _ = three_files(tmp_path)
    first = store.embed(manifest)
    assert store.done == [1, 2, 3]
    assert_same(store.embed(manifest), first)
    assert store.done == [3]
    assert_same(store.embed(manifest.with_tags(manifest.tags)), first)
    write_noise(tmp_path / "1.wav", seconds=2.6, seed=50)
    changed = store.embed(manifest)
    assert store.done == [1, 2, 3]
    assert not np.array_equal(changed.tracks.excerpts, first.tracks.excerpts)


def test_a_row_that_the_machine_failed_is_asked_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is the same as before: neither size nor time tells that it can be heard now."""
    manifest, _ = three_files(tmp_path)

    # What a decoder with too little time does; a real one may be in time by chance.
    def hurried(*_: object, **__: object) -> Iterator[ExcerptBlock]:
        raise AudioError(AudioErrorCode.TIMED_OUT, "too slow")
        yield

    with monkeypatch.context() as busy:
        busy.setattr(embedding_store, "clip_excerpts", hurried)
        with pytest.raises(EvaluationError, match="timed_out"):
            store.embed(manifest)
    assert list(store.folder.glob("*/*.npz"))
    assert store.embed(manifest).left_out == ()


def test_other_plans_and_conditions_are_kept_apart(store: Store, tmp_path: Path) -> None:
    manifest, _ = three_files(tmp_path)
    store.embed(manifest)
    for settings in ({"excerpts_per_track": 2}, {"condition": CONDITIONS["a gain of -6 dB"]}):
        store.embed(manifest, **settings)
        assert store.done == [1, 2, 3]
    assert len(list(store.folder.iterdir())) == 3


def test_a_torn_shard_is_made_again(store: Store, tmp_path: Path) -> None:
    manifest, _ = three_files(tmp_path)
    first = store.embed(manifest)
    [shard] = store.folder.glob("*/*.npz")
    content = shard.read_bytes()
    for torn in (b"", content[: len(content) // 2], content[:-40] + bytes(40), bytes(len(content))):
        shard.write_bytes(torn)
        assert_same(store.embed(manifest), first)
        assert store.done == [1, 2, 3]
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    shard.write_bytes(flipped)
    assert_same(store.embed(manifest), first)


def test_a_folder_that_cannot_be_written_is_told(bundle: ModelBundle, decoder: Decoder, tmp_path: Path) -> None:
    manifest, _ = three_files(tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EvaluationError, match="--work"):
        Store(bundle, decoder, tmp_path / "file").embed(manifest)


def test_several_threads_give_what_one_gives(store: Store, bundle: ModelBundle, tmp_path: Path) -> None:
    manifest, _ = three_files(tmp_path)
    expected = store.embed(manifest)
    with Decoder(processes=2) as decoder:
        found = Store(bundle, decoder, tmp_path / "other").embed(manifest, threads=2)
    assert_same(found, expected)


def many_files(folder: Path, count: int) -> Manifest:
    for number in range(count):
        write_noise(folder / f"{number}.wav", seconds=1.0 + number % 3, seed=number)
    return Manifest.of(
        folder,
        path=[f"{number}.wav" for number in range(count)],
        track_id=[str(number) for number in range(count)],
    )


def test_a_run_that_is_killed_again_and_again_ends_like_one_that_was_not(store: Store, tmp_path: Path) -> None:
    count = 5 * ROWS_PER_SHARD + 3
    manifest = many_files(tmp_path / "music", count)
    write_manifest(manifest, tmp_path / "music" / "manifest.csv")
    bundle = write_bundle(tmp_path / "bundle")
    killed = tmp_path / "killed"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from index.decoder import Decoder\n"
        "from index.model import ModelBundle\n"
        "from training.datasets.labels import labels_of\n"
        "from training.datasets.manifest_files import read_manifest\n"
        "from training.evaluation.embedding_store import embed_tracks\n"
        "from tests.training.evaluation.test_embedding_store import VOCABULARY\n"
        "bundle, data, work = map(Path, sys.argv[1:])\n"
        "manifest = read_manifest(data)\n"
        "with Decoder() as decoder:\n"
        "    embed_tracks(ModelBundle.open(bundle), decoder, manifest, labels_of(manifest, VOCABULARY), folder=work,\n"
        "                 watch=lambda done, _: print(done, flush=True))\n"
    )
    first_done, kills = [], 0
    for kill_after in (20, 45, 1, 40, count):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(bundle), str(tmp_path / "music" / "manifest.csv"), str(killed)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(int(line))
            # What was found on disk counts as many lines as there are shards.
            if lines[-1] != count and sum(b - a == 1 for a, b in zip([-1, *lines], lines, strict=False)) >= kill_after:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
        process.stdout.close()
        process.wait()
        first_done.append(lines[0])
    assert kills >= 3
    # The second run found the first shard, or not, as it was killed within it; each later one found more.
    assert first_done[-1] == ROWS_PER_SHARD
    expected = store.embed(manifest)
    found = Store(store.bundle, store.decoder, killed)
    assert_same(found.embed(manifest), expected)
    assert found.done == [*range(ROWS_PER_SHARD, count, ROWS_PER_SHARD), count]
    assert len(found.embed(manifest).tracks) == count
