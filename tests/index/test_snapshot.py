import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from index.snapshot import (
    ABANDONED_AFTER_SECONDS,
    SnapshotCorruptedError,
    SnapshotMismatchError,
    delete_snapshot,
    list_snapshots,
    open_snapshot,
    prune_snapshots,
    publish_snapshot,
    verify_snapshot,
)
from tests.index.vectors import FOUR, ODD, gathered_vectors


def publish(root, *, n=50, revision=7, subspaces=ODD, seed=3, **options):
    rng = np.random.default_rng(seed)
    ids = [f"{number:032x}" for number in rng.permutation(n)]
    vectors = gathered_vectors(n, subspaces, rng)
    path = publish_snapshot(
        root, encoder_id="abc", subspaces=subspaces, revision=revision, track_ids=ids, vectors=vectors, **options
    )
    return path, ids, vectors


def test_what_was_published_is_what_is_opened(tmp_path):
    path, ids, vectors = publish(tmp_path)
    snapshot = open_snapshot(path, encoder_id="abc", subspaces=ODD)
    assert snapshot.manifest.revision == 7
    assert len(snapshot) == snapshot.manifest.tracks == len(ids)
    positions = snapshot.positions(ids)
    np.testing.assert_array_equal(snapshot.vectors[positions], vectors)
    assert [track_id.decode() for track_id in snapshot.track_ids] == sorted(ids)
    for index, subspace in zip(snapshot.subspace_indices, ODD, strict=True):
        assert (len(index), index.width) == (len(ids), subspace.width)
    assert snapshot.joint_index.width == ODD.width


def test_searching_a_saved_snapshot_finds_what_the_vectors_say(tmp_path):
    path, ids, vectors = publish(tmp_path, subspaces=FOUR)
    snapshot = open_snapshot(path, encoder_id="abc", subspaces=FOUR)
    found = snapshot.joint_index.search(vectors[9], k=5)
    expected = np.argsort(-(vectors @ vectors[9]))[:5]
    assert [snapshot.track_ids[p].decode() for p in found.positions] == [ids[row] for row in expected]


def test_positions_leave_out_what_is_not_there(tmp_path):
    path, ids, _ = publish(tmp_path)
    snapshot = open_snapshot(path, encoder_id="abc", subspaces=ODD)
    assert len(snapshot.positions([])) == 0
    assert len(snapshot.positions(["zzz", "", "f" * 40, ids[0][:-1]])) == 0
    assert len(snapshot.positions(["zzz", ids[0]])) == 1


def test_an_empty_catalogue_can_be_published(tmp_path):
    path, _, _ = publish(tmp_path, n=0)
    snapshot = open_snapshot(path, encoder_id="abc", subspaces=ODD)
    assert len(snapshot) == 0
    assert len(snapshot.positions(["a"])) == 0
    assert len(snapshot.joint_index.search(np.ones(ODD.width, np.float32), k=3)) == 0


def test_the_same_content_gives_the_same_bytes(tmp_path):
    first, second = (publish(tmp_path)[0] for _ in range(2))
    assert (first / "manifest.json").read_bytes() == (second / "manifest.json").read_bytes()


@pytest.mark.parametrize(
    "name", ["manifest.json", "manifest.sha256", "track_ids.npy", "vectors.npy", "subspace-1.faiss", "joint.faiss"]
)
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_any_damage_is_noticed(tmp_path, name, damage):
    path, _, _ = publish(tmp_path)
    file = path / name
    content = bytearray(file.read_bytes())
    if damage == "flip":
        # In the manifest a checksum's digit, elsewhere a data byte.
        place = content.index(b'": "') + 10 if name == "manifest.json" else len(content) - 3
        content[place] ^= 1
        file.write_bytes(content)
    elif damage == "truncate":
        file.write_bytes(content[: len(content) // 2])
    else:
        file.unlink()
    with pytest.raises((SnapshotCorruptedError, SnapshotMismatchError), match=path.name):
        open_snapshot(path, encoder_id="abc", subspaces=ODD)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256"])
def test_any_flipped_bit_of_a_manifest_is_damage_and_no_other_bundle_or_revision(tmp_path, name):
    path, _, _ = publish(tmp_path, n=2)
    content = (path / name).read_bytes()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (path / name).write_bytes(flipped)
        with pytest.raises(SnapshotCorruptedError):
            verify_snapshot(path)
    (path / name).write_bytes(content)
    verify_snapshot(path)


def test_the_manifest_s_sum_is_what_other_programs_compute(tmp_path):
    path, _, _ = publish(tmp_path)
    expected = hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    assert (path / "manifest.sha256").read_text() == f"{expected}  manifest.json\n"


def test_another_bundles_snapshot_is_refused(tmp_path):
    path, _, _ = publish(tmp_path)
    with pytest.raises(SnapshotMismatchError, match="encoder abc"):
        open_snapshot(path, encoder_id="other", subspaces=ODD)
    with pytest.raises(SnapshotMismatchError, match="genre, mood"):
        open_snapshot(path, encoder_id="abc", subspaces=FOUR)


def test_a_later_format_is_refused_by_name(tmp_path):
    path, _, _ = publish(tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    changed = hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    (path / "manifest.sha256").write_text(f"{changed}  manifest.json\n")
    with pytest.raises(SnapshotMismatchError, match="format 2, this version reads 1"):
        verify_snapshot(path)


@pytest.mark.parametrize(("ids", "rows"), [(["a", "a"], 2), (["a", "b"], 3)])
def test_content_that_contradicts_itself_is_not_published(tmp_path, ids, rows):
    with pytest.raises(ValueError, match=r"twice|shape"):
        publish_snapshot(
            tmp_path,
            encoder_id="abc",
            subspaces=ODD,
            revision=1,
            track_ids=ids,
            vectors=np.zeros((rows, ODD.width), np.float32),
        )
    assert list_snapshots(tmp_path) == []


def test_the_newest_comes_first_and_older_ones_are_pruned(tmp_path):
    paths = [publish(tmp_path, n=2, revision=revision)[0] for revision in (9, 10, 100, 2)]
    assert list_snapshots(tmp_path) == [paths[2], paths[1], paths[0], paths[3]]
    prune_snapshots(tmp_path, keep=2)
    assert list_snapshots(tmp_path) == [paths[2], paths[1]]


def test_a_deletion_that_a_kill_interrupts_leaves_nothing_that_passes_for_a_snapshot(tmp_path, monkeypatch):
    old, new = (publish(tmp_path, n=2, revision=revision)[0] for revision in (1, 2))

    def killed_amid_it(path: Path, **_: object) -> None:
        (path / "manifest.json").unlink()

    monkeypatch.setattr(shutil, "rmtree", killed_amid_it)
    prune_snapshots(tmp_path, keep=1)
    monkeypatch.undo()
    assert list_snapshots(tmp_path) == [new]
    (left,) = tmp_path.glob(".partial-*")
    os.utime(left, (0, time.time() - ABANDONED_AFTER_SECONDS - 1))
    delete_snapshot(old)
    publish(tmp_path, n=1, revision=3)
    assert not list(tmp_path.glob(".partial-*"))


def test_an_open_snapshot_outlives_its_files(tmp_path):
    path, ids, vectors = publish(tmp_path)
    snapshot = open_snapshot(path, encoder_id="abc", subspaces=ODD)
    prune_snapshots(tmp_path, keep=0)
    assert not path.exists()
    np.testing.assert_array_equal(snapshot.vectors[snapshot.positions(ids)], vectors)
    assert len(snapshot.joint_index.search(vectors[0], k=3)) == 3


PUBLISH_FOR_EVER = """
import sys
from pathlib import Path
from tests.index.test_snapshot import publish
print("ready", flush=True)
for revision in range(1, 10_000):
    publish(Path(sys.argv[1]), n=2000, revision=revision)
"""


def test_a_writer_killed_at_any_moment_leaves_only_whole_snapshots(tmp_path, rng):
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", PUBLISH_FOR_EVER, tmp_path], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.2))
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert list_snapshots(tmp_path)
    for path in list_snapshots(tmp_path):
        assert len(open_snapshot(path, encoder_id="abc", subspaces=ODD)) == 2000
    for partial in tmp_path.glob(".partial-*"):
        os.utime(partial, (0, time.time() - ABANDONED_AFTER_SECONDS - 1))
    publish(tmp_path, n=1, revision=20_000)
    assert not list(tmp_path.glob(".partial-*"))


def test_a_disk_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        publish(tmp_path)
    assert list(tmp_path.iterdir()) == []
