import errno
import hashlib
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest

from index.analysis import Analysis
from service.catalogue.records import IngestResult, Outcome, Track
from service.catalogue.repository import Catalogue
from service.ingest.reading import FileErrorCode, read_state
from service.ingest.run import Ingest
from service.ingest.walk import AUDIO_SUFFIXES, walk
from tests.service.small_facet import SmallAnalyser, SmallBundle, write_tone

ENCODER = SmallBundle().encoder_id


@dataclass
class Library:
    """A folder of music, a catalogue, and ingests of the one into the other."""

    root: Path
    catalogue: Catalogue
    analyser: SmallAnalyser = field(default_factory=SmallAnalyser)
    ignored: list[Path] = field(default_factory=list)

    def ingest(self, *roots: Path, encoder_id: str = ENCODER, executor: Executor | None = None) -> list[IngestResult]:
        with executor or ThreadPoolExecutor(2) as workers:
            run = Ingest(self.catalogue, self.analyser, encoder_id=encoder_id, executor=workers, workers=2)
            return list(run.run(roots or [self.root], stop=threading.Event(), ignored=self.ignored.append))

    def outcomes(self, *roots: Path, encoder_id: str = ENCODER) -> dict[str, Outcome]:
        """What became of each file, by its path under the folder; each file has become one thing only."""
        results = self.ingest(*roots, encoder_id=encoder_id)
        assert len({result.path for result in results}) == len(results)
        return {str(result.path.relative_to(self.root)): result.outcome for result in results}

    def tracks(self) -> dict[str, Track]:
        return {str(track.path.relative_to(self.root)): track for track in self.catalogue.list_tracks(limit=10_000)}

    def tone(self, name: str, hertz: float, **kwargs: str) -> Path:
        return write_tone(self.root / name, hertz, **kwargs)  # type: ignore[arg-type]

    def heard(self) -> list[str]:
        """Files that were listened to since this was last asked."""
        names = sorted(str(path.relative_to(self.root)) for path in self.analyser.heard)
        self.analyser.heard.clear()
        return names


@pytest.fixture
def library(catalogue: Catalogue, tmp_path: Path) -> Library:
    root = tmp_path.resolve() / "music"
    root.mkdir()
    return Library(root, catalogue)


def later(path: Path, *, seconds: int = 10) -> None:
    """Let a file look as if it was written again, that much later."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 10**9))


def test_a_folder_becomes_tracks(library: Library) -> None:
    library.tone("a.wav", 200, title="A Title", artist="Somebody")
    library.tone("album/b.wav", 300)
    assert library.outcomes() == {"a.wav": Outcome.ADDED, "album/b.wav": Outcome.ADDED}
    tracks = library.tracks()
    assert (tracks["a.wav"].title, tracks["a.wav"].artist) == ("A Title", "Somebody")
    assert (tracks["album/b.wav"].title, tracks["album/b.wav"].artist) == ("b", None)
    expected = library.analyser.analyse(library.root / "a.wav")
    kept = library.catalogue.embedding(tracks["a.wav"].id, ENCODER)
    assert kept is not None
    assert np.array_equal(kept.vector, expected.vector)
    assert np.array_equal(kept.excerpt_starts, expected.excerpt_starts)
    assert np.array_equal(kept.tag_probabilities, expected.tag_probabilities)


def test_the_content_hash_is_the_files_sha256(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert read_state(path).content_hash == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_what_has_not_changed_is_not_even_opened(library: Library) -> None:
    path = library.tone("a.wav", 200)
    library.ingest()
    status = path.stat()
    # Other content of the same size and time: whoever opened the file would find out.
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    library.heard()
    assert library.outcomes() == {"a.wav": Outcome.UNCHANGED}
    assert library.heard() == []


def test_a_file_written_again_with_the_same_content_is_unchanged_and_not_read_again(library: Library) -> None:
    path = library.tone("a.wav", 200)
    library.ingest()
    library.heard()
    later(path)
    assert library.outcomes() == {"a.wav": Outcome.UNCHANGED}
    assert library.heard() == []
    assert library.tracks()["a.wav"].modified_ns == path.stat().st_mtime_ns


def test_changed_content_updates_the_track_and_keeps_its_id(library: Library) -> None:
    path = library.tone("a.wav", 200)
    library.ingest()
    before = library.tracks()["a.wav"]
    revision = library.catalogue.revision()
    library.tone("a.wav", 900, title="New")
    later(path)
    assert library.outcomes() == {"a.wav": Outcome.UPDATED}
    after = library.tracks()["a.wav"]
    assert (after.id, after.title, after.added_at) == (before.id, "New", before.added_at)
    assert after.content_hash != before.content_hash
    change = library.catalogue.changes_since(ENCODER, revision)
    assert change is not None
    assert change.put_ids == (before.id,)
    assert np.array_equal(change.put_vectors[0], library.analyser.analyse(path).vector)


def test_a_changed_title_is_an_update(library: Library) -> None:
    library.tone("a.wav", 200, title="Old")
    library.ingest()
    library.tone("a.wav", 200, title="New title")
    assert library.outcomes() == {"a.wav": Outcome.UPDATED}
    assert library.tracks()["a.wav"].title == "New title"


def test_a_renamed_file_is_the_same_track_elsewhere(library: Library) -> None:
    path = library.tone("a.wav", 200)
    library.tone("titled.wav", 300, title="A Title")
    library.ingest()
    before = library.tracks()
    revision = library.catalogue.revision()
    library.heard()
    (library.root / "album").mkdir()
    path.rename(library.root / "album" / "b.wav")
    (library.root / "titled.wav").rename(library.root / "album" / "c.wav")
    assert library.outcomes() == {"album/b.wav": Outcome.MOVED, "album/c.wav": Outcome.MOVED}
    after = library.tracks()
    assert after.keys() == {"album/b.wav", "album/c.wav"}
    assert (after["album/b.wav"].id, after["album/c.wav"].id) == (before["a.wav"].id, before["titled.wav"].id)
    # A title that came from the name comes from the new name; one from the metadata stays.
    assert (after["album/b.wav"].title, after["album/c.wav"].title) == ("b", "A Title")
    assert library.heard() == []
    assert library.catalogue.revision() == revision


def test_a_copy_is_a_track_of_its_own_that_need_not_be_listened_to(library: Library) -> None:
    path = library.tone("a.wav", 200)
    library.ingest()
    library.heard()
    shutil.copy(path, library.root / "copy.wav")
    assert library.outcomes() == {"a.wav": Outcome.UNCHANGED, "copy.wav": Outcome.ADDED}
    assert library.heard() == []
    tracks = library.tracks()
    assert tracks["a.wav"].id != tracks["copy.wav"].id
    assert tracks["copy.wav"].title == "copy"
    embeddings = library.catalogue.embeddings([track.id for track in tracks.values()], ENCODER)
    original, copied = (embeddings[tracks[name].id] for name in ("a.wav", "copy.wav"))
    assert np.array_equal(original.vector, copied.vector)
    assert np.array_equal(original.excerpt_vectors, copied.excerpt_vectors)


def test_of_many_copies_that_come_at_once_one_is_listened_to(library: Library) -> None:
    path = library.tone("0.wav", 200)
    for number in range(1, 100):
        shutil.copy(path, library.root / f"{number}.wav")
    assert Counter(library.outcomes().values()) == {Outcome.ADDED: 100}
    assert len(library.heard()) == 1
    assert len({track.id for track in library.tracks().values()}) == 100


def test_copies_of_what_is_no_audio_all_fail_for_their_own_reason(library: Library) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        (library.root / name).write_text("no audio")
    results = library.ingest()
    assert [(r.outcome, r.code) for r in results] == [(Outcome.FAILED, "not_audio")] * 3
    assert all(result.path.name in (result.message or "") for result in results)
    assert sorted(library.catalogue.failures.every(), key=lambda r: r.path) == sorted(results, key=lambda r: r.path)


def test_two_files_that_change_names_are_both_updated(library: Library) -> None:
    one, two = library.tone("1.wav", 200), library.tone("2.wav", 300)
    library.ingest()
    before = library.tracks()
    one.rename(library.root / "x")
    two.rename(one)
    (library.root / "x").rename(two)
    later(one)
    later(two)
    assert library.outcomes() == {"1.wav": Outcome.UPDATED, "2.wav": Outcome.UPDATED}
    after = library.tracks()
    assert {name: track.id for name, track in after.items()} == {name: track.id for name, track in before.items()}
    for name in ("1.wav", "2.wav"):
        kept = library.catalogue.embedding(after[name].id, ENCODER)
        assert kept is not None
        assert np.array_equal(kept.vector, library.analyser.analyse(library.root / name).vector)


def test_a_file_moved_over_another_one_updates_that_one(library: Library) -> None:
    one, two = library.tone("1.wav", 200), library.tone("2.wav", 300)
    library.ingest()
    before = library.tracks()
    one.rename(two)
    later(two)
    assert library.outcomes() == {"2.wav": Outcome.UPDATED}
    assert library.tracks()["2.wav"].id == before["2.wav"].id
    assert library.tracks()["2.wav"].content_hash == before["1.wav"].content_hash


def test_a_new_bundle_listens_to_everything_once_and_takes_nothing_from_the_old_one(library: Library) -> None:
    library.tone("a.wav", 200)
    library.tone("b.wav", 300)
    library.ingest()
    library.heard()
    assert library.outcomes(encoder_id="small-2") == {"a.wav": Outcome.UPDATED, "b.wav": Outcome.UPDATED}
    assert library.heard() == ["a.wav", "b.wav"]
    assert set(library.outcomes(encoder_id="small-2").values()) == {Outcome.UNCHANGED}
    assert set(library.outcomes().values()) == {Outcome.UNCHANGED}
    assert library.heard() == []


def test_a_renamed_file_that_the_new_bundle_has_not_heard_is_moved_and_heard(library: Library) -> None:
    path = library.tone("a.wav", 200)
    library.ingest()
    track_id = library.tracks()["a.wav"].id
    path.rename(library.root / "b.wav")
    assert library.outcomes(encoder_id="small-2") == {"b.wav": Outcome.MOVED}
    assert library.tracks()["b.wav"].id == track_id
    for encoder_id in (ENCODER, "small-2"):
        assert library.catalogue.embedding(track_id, encoder_id) is not None


def test_a_file_that_became_unreadable_keeps_its_track_and_is_well_again_when_it_is_back(library: Library) -> None:
    path = library.tone("a.wav", 200)
    library.ingest()
    content, status = path.read_bytes(), path.stat()
    path.write_text("no audio any more")
    assert library.outcomes() == {"a.wav": Outcome.FAILED}
    assert library.catalogue.failures.count() == {"not_audio": 1}
    assert library.catalogue.count_tracks() == 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert library.outcomes() == {"a.wav": Outcome.UNCHANGED}
    assert library.catalogue.failures.count() == {}


def test_what_failed_is_tried_again(library: Library) -> None:
    path = library.root / "a.wav"
    path.write_text("no audio yet")
    assert library.outcomes() == {"a.wav": Outcome.FAILED}
    assert library.outcomes() == {"a.wav": Outcome.FAILED}
    library.tone("a.wav", 200)
    assert library.outcomes() == {"a.wav": Outcome.ADDED}
    assert library.catalogue.failures.every() == []


@dataclass
class Meddler(SmallAnalyser):
    """Does something to a file while it is listened to."""

    meddle: Callable[[Path], None] = print

    def analyse(self, path: Path) -> Analysis:
        analysis = super().analyse(path)
        self.meddle(path)
        return analysis


def test_a_file_that_disappears_while_it_is_read_is_not_found(library: Library) -> None:
    library.tone("a.wav", 200)
    library.analyser = Meddler(meddle=Path.unlink)
    [result] = library.ingest()
    assert (result.outcome, result.code) == (Outcome.FAILED, FileErrorCode.NOT_FOUND)
    # There is nothing to mend, and no later ingest would meet it: it is no lasting failure.
    assert library.catalogue.failures.every() == []
    assert library.catalogue.count_tracks() == 0


def test_a_file_that_is_still_being_written_is_left_for_the_next_time(library: Library) -> None:
    library.tone("a.wav", 200)
    library.analyser = Meddler(meddle=later)
    [result] = library.ingest()
    assert (result.outcome, result.code) == (Outcome.FAILED, FileErrorCode.CHANGED_WHILE_READ)
    library.analyser = SmallAnalyser()
    assert library.outcomes() == {"a.wav": Outcome.ADDED}


def test_a_defect_costs_one_file_and_not_the_run(library: Library) -> None:
    def stumble(path: Path) -> None:
        if path.name == "b.wav":
            raise ZeroDivisionError("a defect")

    for number, name in enumerate("abc"):
        library.tone(f"{name}.wav", 200 + 100 * number)
    library.analyser = Meddler(meddle=stumble)
    results = {result.path.name: result for result in library.ingest()}
    assert [results[f"{name}.wav"].outcome for name in "abc"] == [Outcome.ADDED, Outcome.FAILED, Outcome.ADDED]
    assert results["b.wav"].code == FileErrorCode.INTERNAL_ERROR
    assert "ZeroDivisionError: a defect (test_ingest.py, line " in (results["b.wav"].message or "")


def test_a_file_that_the_system_does_not_give_is_not_readable(library: Library) -> None:
    (library.root / "a.wav").symlink_to("a.wav")
    [result] = library.ingest()
    assert (result.outcome, result.code) == (Outcome.FAILED, FileErrorCode.NOT_READABLE)
    assert result.message == f"a.wav cannot be read: {os.strerror(errno.ELOOP)}"
    assert library.catalogue.failures.count() == {"not_readable": 1}


def test_files_and_folders_that_may_not_be_read_are_said_to_be_so(library: Library) -> None:
    locked = library.tone("a.wav", 200)
    locked.chmod(0)
    if os.access(locked, os.R_OK):
        pytest.skip("nothing is unreadable to root")
    folder = library.tone("locked/b.wav", 300).parent
    folder.chmod(0)
    try:
        results = {result.path.name: result.code for result in library.ingest()}
    finally:
        folder.chmod(0o755)
    assert results == {"a.wav": "not_readable", "locked": "not_readable"}


def test_a_path_that_no_database_can_keep_costs_one_file_and_not_the_run(library: Library) -> None:
    library.tone("a.wav", 200)
    folder = library.root
    # No two names alike, so that nothing gets shorter by being compressed.
    names = (hashlib.sha256(bytes([number])).hexdigest() * 3 for number in range(16))
    here = os.open(folder, os.O_RDONLY)
    try:
        for name in names:
            os.mkdir(name, dir_fd=here)
            here, outer = os.open(name, os.O_RDONLY, dir_fd=here), here
            os.close(outer)
            folder /= name
        (library.root / "b.wav").write_bytes(b"")
        os.link(library.root / "b.wav", "b.wav", dst_dir_fd=here)
    finally:
        os.close(here)
    results = {len(result.path.parts): result for result in library.ingest()}
    deep = results[len(folder.parts) + 1]
    assert (deep.outcome, deep.code) == (Outcome.FAILED, FileErrorCode.PATH_TOO_LONG)
    assert library.tracks().keys() == {"a.wav"}
    assert library.catalogue.failures.count() == {"not_audio": 1}


def test_a_link_to_nowhere_is_not_found(library: Library) -> None:
    (library.root / "a.wav").symlink_to(library.root / "nowhere.wav")
    [result] = library.ingest()
    assert (result.outcome, result.code) == (Outcome.FAILED, FileErrorCode.NOT_FOUND)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX's")
def test_a_pipe_is_never_opened(library: Library) -> None:
    os.mkfifo(library.root / "pipe.wav")
    assert library.outcomes() == {}
    assert library.ignored == [library.root / "pipe.wav"]
    [result] = library.ingest(library.root / "pipe.wav")
    assert (result.outcome, result.code) == (Outcome.FAILED, FileErrorCode.NOT_READABLE)


def test_names_that_are_not_utf8_are_ingested(library: Library) -> None:
    name = os.fsdecode(b"caf\xe9 \xff.wav")
    library.tone(name, 200)
    assert library.outcomes() == {name: Outcome.ADDED}
    assert library.tracks()[name].title == "caf\ufffd \ufffd"
    assert library.outcomes() == {name: Outcome.UNCHANGED}
    bad = os.fsdecode(b"bad \xff.wav")
    (library.root / bad).write_text("no audio")
    assert library.outcomes()[bad] is Outcome.FAILED
    assert [failure.path.name for failure in library.catalogue.failures.every()] == [bad]


def test_what_is_not_called_like_audio_is_ignored_unless_it_is_named(library: Library) -> None:
    library.tone("a.wav", 200)
    (library.root / "cover.jpg").write_bytes(b"a cover")
    (library.root / "list.m3u").write_text("a.wav")
    odd = library.tone("tone", 300)
    assert library.outcomes() == {"a.wav": Outcome.ADDED}
    assert sorted(path.name for path in library.ignored) == ["cover.jpg", "list.m3u", "tone"]
    assert library.outcomes(odd, library.root / "cover.jpg") == {"tone": Outcome.ADDED, "cover.jpg": Outcome.FAILED}


def test_hidden_files_and_folders_are_passed_over_unless_they_are_named(library: Library) -> None:
    hidden, inside = library.tone("._a.wav", 200), library.tone(".trash/b.wav", 300)
    assert library.outcomes() == {}
    assert library.ignored == []
    assert library.outcomes(hidden, inside.parent) == {"._a.wav": Outcome.ADDED, ".trash/b.wav": Outcome.ADDED}


def test_a_circle_of_links_ends_and_each_file_comes_once(library: Library) -> None:
    library.tone("album/a.wav", 200)
    (library.root / "album" / "up").symlink_to(library.root)
    (library.root / "again").symlink_to(library.root / "album")
    assert [found.path.name for found in walk([library.root, library.root / "again", library.root])] == ["a.wav"]
    assert len(library.ingest()) == 1


def test_a_folder_reached_by_a_link_is_known_by_its_real_path(library: Library) -> None:
    path = library.tone("album/a.wav", 200)
    link = library.root / "link"
    link.symlink_to(path.parent)
    assert [r.path for r in library.ingest(link)] == [path]
    assert [r.outcome for r in library.ingest(link / "a.wav")] == [Outcome.UNCHANGED]


def test_a_linked_file_keeps_its_own_name(library: Library, tmp_path: Path) -> None:
    target = write_tone(tmp_path / "objects" / "SHA256-cafe.wav", 200)
    (library.root / "A Song.wav").symlink_to(target)
    assert library.outcomes() == {"A Song.wav": Outcome.ADDED}
    assert library.tracks()["A Song.wav"].title == "A Song"


def test_a_file_that_is_named_twice_comes_once(library: Library) -> None:
    path = library.tone("a.wav", 200)
    same = library.root / ".." / "music" / "a.wav"
    assert [r.path for r in library.ingest(path, library.root, same, path)] == [path]


def test_files_come_in_the_order_of_names_and_before_the_folders_beside_them(library: Library) -> None:
    for name in ("b/2.wav", "b/1.wav", "a/z.wav", "c.wav", "B.wav"):
        library.tone(name, 200)
    found = [str(each.path.relative_to(library.root)) for each in walk([library.root])]
    assert found == ["B.wav", "c.wav", "a/z.wav", "b/1.wav", "b/2.wav"]


# FFmpeg's demuxers for the suffixes.
DEMUXERS = {
    "3g2,3gp,mov": ".3ga .m4a .m4b .m4r",
    "aac": ".aac",
    "ac3": ".ac3",
    "aiff": ".aif .aifc .aiff",
    "amr": ".amr",
    "ape": ".ape",
    "asf": ".wma",
    "au": ".au .snd",
    "caf": ".caf",
    "dsf": ".dsf",
    "dts": ".dts",
    "eac3": ".eac3 .ec3",
    "flac": ".flac",
    "iff": ".dff",
    "matroska": ".mka .weba",
    "mp3": ".mp2 .mp3 .mpa",
    "mpc": ".mp+ .mpc",
    "mpc8": ".mpc",
    "ogg": ".oga .ogg .opus .spx",
    "rm": ".ra",
    "shn": ".shn",
    "tak": ".tak",
    "tta": ".tta",
    "voc": ".voc",
    "w64": ".w64",
    "wav": ".bwf .rf64 .wav .wave",
    "wv": ".wv",
}


def test_every_suffix_is_of_a_format_that_the_decoder_reads() -> None:
    readable = {name for names in av.formats_available for name in names.split(",")}
    assert {name for names in DEMUXERS for name in names.split(",")} - readable == set()
    assert {suffix for suffixes in DEMUXERS.values() for suffix in suffixes.split()} == AUDIO_SUFFIXES


def test_a_bounded_number_of_tasks_is_under_way(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.ingest.run.TASKS_PER_WORKER", 3)
    for number in range(60):
        library.tone(f"{number}.wav", 200 + 10 * number)
    most = 0

    class Counting(ThreadPoolExecutor):
        def submit(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal most
            future = super().submit(*args, **kwargs)
            unfinished.add(future)
            future.add_done_callback(unfinished.discard)
            most = max(most, len(unfinished))
            return future

    unfinished: set[object] = set()
    library.ingest(executor=Counting(2))
    assert library.catalogue.count_tracks() == 60
    assert 2 <= most <= 3 * 2


def test_processes_can_do_the_work_too(library: Library) -> None:
    for number in range(5):
        library.tone(f"{number}.wav", 200 + 100 * number)
    results = library.ingest(executor=ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")))
    assert [result.outcome for result in results] == [Outcome.ADDED] * 5
    assert library.heard() == []  # here: it was done there
    assert library.catalogue.count_embeddings(ENCODER) == 5


def test_two_ingests_at_once_keep_each_file_once(library: Library, catalogue_url: str) -> None:
    for number in range(40):
        library.tone(f"{number}.wav", 200 + 10 * number)
    shutil.copy(library.root / "0.wav", library.root / "copy.wav")
    results: list[list[IngestResult]] = []

    def ingest() -> None:
        with Catalogue.open(catalogue_url) as own:
            results.append(Library(library.root, own, SmallAnalyser(seconds=0.002)).ingest())

    threads = [threading.Thread(target=ingest) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(each) for each in results] == [41] * 3
    outcomes = Counter(result.outcome for each in results for result in each)
    assert outcomes == {Outcome.ADDED: 41, Outcome.UNCHANGED: 82}
    assert len(library.tracks()) == 41
    assert library.catalogue.count_embeddings(ENCODER) == 41


def test_a_run_that_finds_nothing_to_do_stops_too(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.ingest.run.PATHS_AT_ONCE", 5)
    for number in range(30):
        library.tone(f"{number}.wav", 200 + 10 * number)
    library.ingest()
    stop = threading.Event()
    seen = []
    with ThreadPoolExecutor(2) as executor:
        run = Ingest(library.catalogue, library.analyser, encoder_id=ENCODER, executor=executor, workers=2)
        for result in run.run([library.root], stop=stop, ignored=library.ignored.append):
            seen.append(result)
            stop.set()
    assert len(seen) == 5


def test_a_run_that_is_to_stop_finishes_what_is_under_way_and_begins_no_more(library: Library) -> None:
    for number in range(100):
        library.tone(f"{number:03}.wav", 200 + 10 * number)
    library.analyser.seconds = 0.01
    stop = threading.Event()
    kept = []
    with ThreadPoolExecutor(2) as executor:
        run = Ingest(library.catalogue, library.analyser, encoder_id=ENCODER, executor=executor, workers=2)
        for result in run.run([library.root], stop=stop, ignored=library.ignored.append):
            kept.append(result)
            stop.set()
    assert 0 < len(kept) < 100
    assert library.catalogue.count_tracks() == len(kept) == len(library.heard())
    assert Counter(library.outcomes().values()) == {Outcome.UNCHANGED: len(kept), Outcome.ADDED: 100 - len(kept)}
