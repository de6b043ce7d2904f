"""The decoder in its child: the same excerpts, and nothing that a file does to it reaches the caller."""

import errno
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from index.audio import AudioError, AudioErrorCode, AudioMetadata, ExcerptPlan, Excerpts, open_audio
from index.decoder import DecodeLimits, Decoder, DecoderClosedError, DecoderStartError
from index.decoder_process import _os_error
from tests.index.audio_files import FORMATS, Signal, music, write

FEW = ExcerptPlan(sample_rate=16_000, excerpt_samples=16_000, excerpts_per_track=3)
EVERY = ExcerptPlan(sample_rate=16_000, excerpt_samples=16_000)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes: eight blocks, of which no more than two fit between child and caller."""
    signal = np.concatenate([music(30, seed=number) for number in range(4)], axis=1)
    return write(tmp_path_factory.mktemp("song") / "song.flac", signal, FORMATS["flac"], tags={"title": "Café"})


@pytest.fixture(scope="module")
def shared_decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def decode(decoder: Decoder, path: Path, plan: ExcerptPlan = FEW) -> tuple[Signal, Signal, AudioMetadata, int, float]:
    with decoder.decode(path, plan) as excerpts:
        return everything(excerpts)


def everything(excerpts: Excerpts) -> tuple[Signal, Signal, AudioMetadata, int, float]:
    """Starts, samples, metadata, skipped packets and decoded seconds."""
    blocks = list(excerpts)
    return (
        np.concatenate([block.starts_seconds for block in blocks]),
        np.concatenate([block.samples for block in blocks]),
        excerpts.metadata,
        excerpts.skipped_packets,
        excerpts.decoded_seconds,
    )


def code_of(decoder: Decoder, path: Path, plan: ExcerptPlan = EVERY) -> AudioErrorCode:
    with pytest.raises(AudioError) as raised:
        decode(decoder, path, plan)
    assert path.name in str(raised.value)
    return raised.value.code


def only_child(decoder: Decoder) -> int:
    (process_id,) = decoder.process_ids
    return process_id


def is_running(process_id: int) -> bool:
    """Whether there is such a process, and not only what is left until its parent has asked after it."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def assert_ends(process_id: int, *, within_seconds: float = 5.0) -> None:
    until = time.monotonic() + within_seconds
    while is_running(process_id):
        assert time.monotonic() < until
        time.sleep(0.01)


def resident_bytes(process_id: int) -> int:
    return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("plan", [FEW, EVERY], ids=["a few", "every"])
def test_a_child_gives_what_the_process_itself_would(shared_decoder: Decoder, song: Path, plan: ExcerptPlan) -> None:
    with open_audio(song, plan) as excerpts:
        starts, samples, *rest = everything(excerpts)
    decoded_starts, decoded_samples, *decoded_rest = decode(shared_decoder, song, plan)
    np.testing.assert_array_equal(decoded_starts, starts)
    np.testing.assert_array_equal(decoded_samples, samples)
    assert decoded_rest == rest


def test_metadata_is_there_before_the_first_block(shared_decoder: Decoder, song: Path) -> None:
    with shared_decoder.decode(song, EVERY) as excerpts:
        assert excerpts.metadata.title == "Café"
        assert excerpts.metadata.duration_seconds == pytest.approx(120)


def test_a_file_with_an_unreadable_name_is_read(shared_decoder: Decoder, song: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9 \n.flac")
    path.symlink_to(song)
    assert len(decode(shared_decoder, path)[0]) == 3


def test_refusals_come_with_their_code_and_leave_the_child_as_it_was(
    shared_decoder: Decoder, song: Path, tmp_path: Path
) -> None:
    decode(shared_decoder, song)
    child = only_child(shared_decoder)
    (tmp_path / "text.mp3").write_text("Just some words.")
    soundfile.write(tmp_path / "silent.wav", np.zeros(100_000), 16_000)
    soundfile.write(tmp_path / "short.wav", np.ones(100), 16_000)
    os.mkfifo(tmp_path / "pipe.wav")
    assert code_of(shared_decoder, tmp_path / "text.mp3") is AudioErrorCode.NOT_AUDIO
    assert code_of(shared_decoder, tmp_path / "silent.wav") is AudioErrorCode.SILENT
    assert code_of(shared_decoder, tmp_path / "short.wav") is AudioErrorCode.TOO_SHORT
    assert code_of(shared_decoder, tmp_path / "pipe.wav") is AudioErrorCode.NOT_AUDIO
    with pytest.raises(FileNotFoundError, match=r"gone\.wav"):
        decode(shared_decoder, tmp_path / "gone.wav")
    assert only_child(shared_decoder) == child


def test_a_file_over_the_byte_limit_is_not_opened(song: Path) -> None:
    size = song.stat().st_size
    with Decoder(DecodeLimits(file_bytes=size - 1)) as decoder:
        assert code_of(decoder, song) is AudioErrorCode.TOO_LARGE
    with Decoder(DecodeLimits(file_bytes=size)) as decoder:
        assert len(decode(decoder, song)[0]) == 3


def interrupt(decoder: Decoder, song: Path, kind: signal.Signals) -> AudioError:
    """Send the child a signal when it is in the middle of the file, and read on."""
    with decoder.decode(song, EVERY) as excerpts:
        blocks = iter(excerpts)
        next(blocks)
        os.kill(only_child(decoder), kind)
        with pytest.raises(AudioError, match=r"song\.flac") as raised:
            list(blocks)
    return raised.value


def test_a_child_that_is_killed_half_way_costs_the_file_one_code(song: Path) -> None:
    with Decoder() as decoder:
        error = interrupt(decoder, song, signal.SIGKILL)
        assert error.code is AudioErrorCode.DECODER_CRASHED
        assert "SIGKILL" in str(error)
        assert len(decode(decoder, song)[0]) == 3


def test_a_child_that_is_killed_while_idle_costs_nothing(song: Path) -> None:
    with Decoder() as decoder:
        decode(decoder, song)
        first = only_child(decoder)
        os.kill(first, signal.SIGKILL)
        assert len(decode(decoder, song)[0]) == 3
        assert only_child(decoder) != first


def test_a_file_longer_than_allowed_is_refused_and_its_child_kept(song: Path) -> None:
    with Decoder(DecodeLimits(audio_seconds=119)) as decoder:
        for plan in (FEW, EVERY):
            assert code_of(decoder, song, plan) is AudioErrorCode.TOO_LONG
        child = only_child(decoder)
    with Decoder(DecodeLimits(audio_seconds=120)) as decoder:
        assert len(decode(decoder, song)[0]) == 3
        assert only_child(decoder) != child


def test_a_file_that_does_not_say_how_long_it_is_is_refused_once_it_is_known(song: Path, tmp_path: Path) -> None:
    content = bytearray(song.read_bytes())
    # STREAMINFO's number of samples: 36 bits, 0 for unknown.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    (tmp_path / "endless.flac").write_bytes(content)
    with Decoder(DecodeLimits(audio_seconds=60)) as decoder:
        for plan in (FEW, EVERY):
            assert code_of(decoder, tmp_path / "endless.flac", plan) is AudioErrorCode.TOO_LONG
    with Decoder(DecodeLimits(audio_seconds=121)) as decoder:
        assert len(decode(decoder, tmp_path / "endless.flac", EVERY)[0]) == 120


def test_a_file_that_takes_too_long_on_the_whole_is_given_up(song: Path) -> None:
    with Decoder(DecodeLimits(seconds=60, whole_seconds=5)) as decoder:
        decode(decoder, song)
        began = time.monotonic()
        error = interrupt(decoder, song, signal.SIGSTOP)
        assert str(error) == "song.flac: the decoder took 5 s, and was ended"
        assert time.monotonic() - began < 15
    with Decoder(DecodeLimits(whole_seconds=1e-6)) as decoder:
        assert code_of(decoder, song) is AudioErrorCode.TIMED_OUT


def test_a_child_that_hangs_is_ended_in_time(song: Path) -> None:
    with Decoder(DecodeLimits(seconds=0.5)) as decoder:
        decode(decoder, song)
        hung = only_child(decoder)
        began = time.monotonic()
        error = interrupt(decoder, song, signal.SIGSTOP)
        assert time.monotonic() - began < 10
        assert error.code is AudioErrorCode.TIMED_OUT
        assert "0.5 s" in str(error)
        assert not is_running(hung)
        assert len(decode(decoder, song)[0]) == 3


def test_the_callers_own_slowness_is_no_hanging(song: Path) -> None:
    with Decoder(DecodeLimits(seconds=1.0)) as decoder, decoder.decode(song, EVERY) as excerpts:
        count = 0
        for block in excerpts:
            count += len(block.samples)
            if count <= 32:
                time.sleep(1.2)
        assert count == 120


@pytest.mark.parametrize("megabytes", [0.25, 4, 12])
def test_a_file_that_needs_too_much_memory_is_too_large(song: Path, megabytes: float) -> None:
    # Sixteen of these are 30 MB; what runs out first, numpy, FFmpeg or its resampler, depends on the limit.
    half_minutes = ExcerptPlan(sample_rate=16_000, excerpt_samples=480_000)
    with Decoder(DecodeLimits(memory_bytes=round(megabytes * 2**20))) as decoder:
        assert code_of(decoder, song, half_minutes) is AudioErrorCode.TOO_LARGE
        # The next child is a new one, with as little memory.
        assert code_of(decoder, song, half_minutes) is AudioErrorCode.TOO_LARGE


@pytest.mark.parametrize(
    ("number", "kind", "code"), [(errno.ENOMEM, "audio_error", "too_large"), (errno.EACCES, "os_error", None)]
)
def test_a_file_for_whose_opening_memory_is_lacking_is_too_large_as_well(
    number: int, kind: str, code: str | None
) -> None:
    answer = _os_error(OSError(number, os.strerror(number)), Path("song.flac"), 2**20)
    assert (answer["kind"], answer.get("code")) == (kind, code)
    assert answer.get("is_reusable", True) is (kind == "os_error")


@pytest.fixture(scope="module")
def two_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first second is written, the file system makes up the rest."""
    path = tmp_path_factory.mktemp("long") / "two hours.wav"
    soundfile.write(path, music(1, channels=1, rate=8_000)[0], 8_000, subtype="PCM_U8")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"data") + 4
    raw[at : at + 4] = (7200 * 8_000).to_bytes(4, "little")
    path.write_bytes(raw)
    os.truncate(path, at + 4 + 7200 * 8_000)
    return path


def test_a_file_abandoned_half_way_leaves_the_child_free_for_the_next(song: Path, two_hours: Path) -> None:
    with Decoder() as decoder:
        expected = decode(decoder, song)
        child = only_child(decoder)
        for blocks_taken in (0, 1, 3):
            began = time.monotonic()
            with decoder.decode(two_hours, EVERY) as excerpts:
                blocks = iter(excerpts)
                for _ in range(blocks_taken):
                    next(blocks)
            np.testing.assert_array_equal(decode(decoder, song)[1], expected[1])
            assert time.monotonic() - began < 5
        assert only_child(decoder) == child


def test_an_error_of_the_callers_frees_the_child_too(song: Path) -> None:
    def fail(decoder: Decoder) -> None:
        with decoder.decode(song, EVERY) as excerpts:
            next(iter(excerpts))
            raise ZeroDivisionError

    with Decoder() as decoder:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                fail(decoder)
        assert len(decode(decoder, song)[0]) == 3


def test_a_hung_child_does_not_hold_up_who_abandons_it(song: Path) -> None:
    with Decoder() as decoder:
        with decoder.decode(song, EVERY) as excerpts:
            next(iter(excerpts))
            os.kill(only_child(decoder), signal.SIGSTOP)
            began = time.monotonic()
        assert time.monotonic() - began < 4
        assert len(decode(decoder, song)[0]) == 3


def test_many_threads_share_a_few_children(song: Path) -> None:
    with Decoder(processes=2) as decoder:
        expected = decode(decoder, song)[1]
        most = 0
        lock = threading.Lock()

        def one(_: int) -> Signal:
            nonlocal most
            with decoder.decode(song, FEW) as excerpts:
                with lock:
                    most = max(most, len(decoder.process_ids))
                return np.concatenate([block.samples for block in excerpts])

        with ThreadPoolExecutor(6) as threads:
            for found in threads.map(one, range(18)):
                np.testing.assert_array_equal(found, expected)
        assert most == 2


def test_a_child_decodes_ahead_while_the_caller_is_busy(song: Path) -> None:
    # Sixteen of these are 10 kB, so that a block fits between the processes.
    short = ExcerptPlan(sample_rate=16_000, excerpt_samples=160)
    with Decoder(DecodeLimits(seconds=2)) as decoder, decoder.decode(song, short) as excerpts:
        blocks = iter(excerpts)
        next(blocks)
        time.sleep(0.5)
        os.kill(only_child(decoder), signal.SIGSTOP)
        next(blocks)


def test_warming_up_starts_one_child_without_waiting(song: Path) -> None:
    with Decoder(processes=2) as decoder:
        assert decoder.process_ids == frozenset()
        began = time.monotonic()
        decoder.warm()
        decoder.warm()
        assert time.monotonic() - began < 1
        child = only_child(decoder)
        decode(decoder, song)
        assert only_child(decoder) == child


def test_closing_ends_the_children_and_whoever_waits_for_one(song: Path) -> None:
    decoder = Decoder()
    refused: list[type[BaseException]] = []
    inside = threading.Event()

    def read_slowly() -> None:
        try:
            with decoder.decode(song, EVERY) as excerpts:
                for _ in excerpts:
                    inside.set()
                    time.sleep(0.3)
        except BaseException as error:
            refused.append(type(error))

    def wait_for_a_child() -> None:
        try:
            decode(decoder, song)
        except BaseException as error:
            refused.append(type(error))

    reader = threading.Thread(target=read_slowly)
    reader.start()
    assert inside.wait(30)
    waiter = threading.Thread(target=wait_for_a_child)
    waiter.start()
    time.sleep(0.1)
    child = only_child(decoder)
    decoder.close()
    reader.join(10)
    waiter.join(10)
    assert refused == [DecoderClosedError] * 2
    assert not is_running(child)
    with pytest.raises(DecoderClosedError):
        decode(decoder, song)
    decoder.close()


@pytest.mark.parametrize("limits", [{"seconds": 0}, {"memory_bytes": -1}, {"file_bytes": 0}])
def test_limits_that_allow_nothing_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        DecodeLimits(**limits)
    with pytest.raises(ValueError, match="processes"):
        Decoder(processes=0)


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process of its own, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


# One child waits for the next file, the other for its block to be taken.
HALF_WAY = """
import signal, sys, time
from pathlib import Path
from index.audio import ExcerptPlan
from index.decoder import Decoder

path, plan = Path(sys.argv[1]), ExcerptPlan(16000, 16000)
# A shell that starts tests in the background has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
with Decoder(processes=2) as decoder, decoder.decode(path, plan) as excerpts:
    next(iter(excerpts))
    with decoder.decode(path, plan) as others:
        next(iter(others))
    print(*decoder.process_ids, flush=True)
    for _ in range(600):
        time.sleep(0.1)
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_end_with_their_parent_however_it_ends(song: Path, ending: signal.Signals) -> None:
    with run(HALF_WAY, str(song)) as parent:
        assert parent.stdout is not None
        children = [int(number) for number in parent.stdout.readline().split()]
        assert len(children) == 2
        os.killpg(parent.pid, ending)
        _, errors = parent.communicate(timeout=20)
        for child in children:
            assert_ends(child)
    # Ctrl-C gives the parent's own traceback, once; the children say nothing.
    assert errors.count("Traceback") == (ending == signal.SIGINT)


def test_a_noisy_file_prints_nothing(song: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    raw = bytearray(song.read_bytes())
    for at in rng.integers(10_000, len(raw), size=50):
        raw[at] ^= 0xFF
    (tmp_path / "noisy.flac").write_bytes(raw)
    script = HALF_WAY.replace("next(iter(others))", "list(others)").replace("600", "0")
    with run(script, str(tmp_path / "noisy.flac")) as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert len(output.split()) == 2


def test_a_child_imports_no_more_than_it_needs() -> None:
    script = "import index.decoder_process, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    with run(script) as process:
        output, errors = process.communicate(timeout=60)
    assert errors == ""
    imported = set(output.split())
    assert {"av", "numpy", "soundfile", "index"} <= imported
    assert not imported & {"fastapi", "starlette", "sqlalchemy", "onnxruntime", "faiss", "torch", "scipy", "pydantic"}


def test_memory_stays_flat_in_both_processes(tmp_path: Path, rng: np.random.Generator) -> None:
    def long_file(minutes: int) -> Path:
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 8_000, 1, subtype="PCM_U8") as file:
            for _ in range(minutes):
                file.write(rng.uniform(-0.5, 0.5, 60 * 8_000))
        return path

    with Decoder() as decoder:
        sizes = []
        for minutes in (2, 2, 15):
            count = 0
            largest = (0, 0)
            with decoder.decode(long_file(minutes), EVERY) as excerpts:
                for block in excerpts:
                    count += len(block.samples)
                    largest = max(largest, (resident_bytes(only_child(decoder)), resident_bytes(os.getpid())))
            assert count == minutes * 60
            sizes.append(largest)
    (_, _), (child_before, parent_before), (child_after, parent_after) = sizes
    # A copy of what was decoded would be 55 MiB.
    assert child_after - child_before < 8 * 2**20
    assert parent_after - parent_before < 8 * 2**20


GARBLED = [
    "connection.sendall(bytes(100))",
    "connection.sendall(bytes([255]) * 100)",
    "send_message(connection, {})",
    "send_message(connection, [1, 2])",
    "send_message(connection, {'kind': 'open'})",
    "send_message(connection, {'kind': 'open', 'metadata': {'x': 1}, 'skipped_packets': 0, 'decoded_seconds': 0})",
    "send_message(connection, {'kind': 'audio_error', 'code': 'gone_fishing'})",
    "send_message(connection, {'kind': 'block'}, np.zeros(10**7, np.float32))",
    "send_message(connection, {'kind': 'block'}, np.zeros(7, np.float32))",
]


@pytest.mark.parametrize("garbled", GARBLED)
def test_a_child_that_was_taken_over_costs_the_file_one_code(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, garbled: str
) -> None:
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import socket, time\n"
        "import numpy as np\n"
        "from index.decoder_process import receive_message, send_message\n"
        "connection = socket.socket(fileno=0)\n"
        "send_message(connection, {'kind': 'ready'})\n"
        "receive_message(connection, 0)\n"
        f"{garbled}\n"
        "time.sleep(60)\n"
    )
    python.chmod(0o755)
    with Decoder() as decoder:
        monkeypatch.setattr(sys, "executable", str(python))
        assert code_of(decoder, song) is AudioErrorCode.DECODER_CRASHED
        monkeypatch.undo()
        assert len(decode(decoder, song)[0]) == 3


@pytest.mark.parametrize("program", ["/bin/true", "/bin/cat", "/nowhere/python"])
def test_a_child_that_does_not_start_is_no_fault_of_the_file(
    song: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    with Decoder() as decoder:
        monkeypatch.setattr(sys, "executable", program)
        with pytest.raises(DecoderStartError):
            decode(decoder, song)
        monkeypatch.undo()
        assert len(decode(decoder, song)[0]) == 3


def test_an_error_survives_being_sent_to_another_process() -> None:
    error = AudioError(AudioErrorCode.SILENT, "song.wav is silent")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), copy.code, str(copy)) == (AudioError, error.code, str(error))


def test_a_second_iteration_gives_nothing(shared_decoder: Decoder, song: Path) -> None:
    with shared_decoder.decode(song, FEW) as excerpts:
        assert len(list(excerpts)) == 1
        assert list(excerpts) == []
