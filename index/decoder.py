"""`audio` in a child process: a stranger's file becomes excerpts, or costs one code if it hangs or kills its decoder.

Paths come from ingest and from uploads; blocks of excerpts go to `model`. A `Decoder` keeps up to `processes` children
(`decoder_child`), each serving one file after another. `decoder_process` is what runs there: it decodes one block while
the caller is busy with the last, and then waits. Runs on POSIX systems.
"""

import dataclasses
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from index.audio import BLOCK_EXCERPTS, AudioError, AudioErrorCode, AudioMetadata, ExcerptBlock, ExcerptPlan
from index.decoder_child import DecoderChild

# What reading a message may raise if it was not `decoder_process` that wrote it, but a file that has taken it over.
_GARBLED = (ValueError, KeyError, TypeError)


class DecoderClosedError(RuntimeError):
    """The `Decoder` was closed before or while it was used."""


class DecoderStartError(RuntimeError):
    """A child process does not start, which is nothing a file could have caused."""


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """What one file may cost.

    Attributes:
        seconds: Longest the caller waits for the file to open, or for the next block. It is no limit on the whole file:
            ten hours of audio take minutes, and as long as blocks arrive all is well. The caller's own work does not
            count.
        whole_seconds: Longest the caller waits for all of a file, or None.
        audio_seconds: Longest audio, or None: a file that claims more is refused, and one that claims less is as soon
            as more has come out of it.
        memory_bytes: Address space a child may take on top of what it takes when idle. On Linux; elsewhere the system
            does not say how much that is, and only time is limited.
        file_bytes: Largest file that is opened at all, or None.

    Raises:
        ValueError: If a number is not positive.
    """

    seconds: float = 60.0
    whole_seconds: float | None = None
    audio_seconds: float | None = None
    memory_bytes: int = 2**30
    file_bytes: int | None = None

    def __post_init__(self) -> None:
        if any(number is not None and not number > 0 for number in dataclasses.astuple(self)):
            raise ValueError(f"every limit must be positive, found {self}")


class Decoder:
    """Decodes in child processes, for any number of threads. A context manager; make it after forking.

    Children start when first needed, and are replaced when they crash, hang or run out of memory. They end with this
    process, however it ends.

    Args:
        limits: What one file may cost.
        processes: How many files are decoded at once; further callers wait their turn.

    Raises:
        ValueError: If `processes` is below 1.
    """

    def __init__(self, limits: DecodeLimits | None = None, *, processes: int = 1) -> None:
        if processes < 1:
            raise ValueError(f"processes is {processes}, expected 1 or more")
        self._limits = limits or DecodeLimits()
        self._processes = processes
        self._changed = threading.Condition()
        self._children: set[DecoderChild] = set()
        self._idle: list[DecoderChild] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def process_ids(self) -> frozenset[int]:
        """The children there are."""
        with self._changed:
            return frozenset(child.process_id for child in self._children)

    def warm(self) -> None:
        """Start a child ahead of need, unless one is idle or all are there. Does not wait for it.

        Raises:
            DecoderStartError: If it cannot be started.
        """
        with self._changed:
            if not self._closed and not self._idle and len(self._children) < self._processes:
                self._idle.append(self._start())

    def close(self) -> None:
        """End all children. Who waits for one, or for a block of one, gets a `DecoderClosedError`."""
        with self._changed:
            self._closed = True
            for child in self._children:
                child.end(is_closing=True)
            for child in self._idle:
                child.close()
            self._children.clear()
            self._idle.clear()
            self._changed.notify_all()

    @contextmanager
    def decode(self, path: Path, plan: ExcerptPlan) -> Iterator["DecodedExcerpts"]:
        """Open a file in a child. Leaving the context frees the child, wherever the iteration stands.

        A thread that decodes a second file inside needs a second process.

        Args:
            path: Of a file.
            plan: Which excerpts to take.

        Yields:
            The file's `audio.Excerpts`.

        Raises:
            AudioError: With any code: here if the file cannot be opened, else while iterating.
            OSError: If the file is not there or may not be read.
            DecoderStartError: If the child does not start.
            DecoderClosedError: If the decoder is closed.
        """
        child, excerpts = self._open(path, plan)
        try:
            yield excerpts
        finally:
            self._release(child)

    def _open(self, path: Path, plan: ExcerptPlan) -> tuple[DecoderChild, "DecodedExcerpts"]:
        while True:
            child = self._acquire()
            try:
                self._await_ready(child)
                return child, DecodedExcerpts(child, path, plan, self._limits)
            except BaseException as error:
                self._release(child)
                # A child may have been killed while idle, or harmed by an earlier file: only a new one proves the file.
                is_crash = isinstance(error, AudioError) and error.code is AudioErrorCode.DECODER_CRASHED
                if not is_crash or child.requests == 1:
                    raise

    def _acquire(self) -> DecoderChild:
        with self._changed:
            while not self._closed:
                if self._idle:
                    child = self._idle.pop()
                    if child.is_running():
                        return child
                    self._discard(child)
                elif len(self._children) < self._processes:
                    return self._start()
                else:
                    self._changed.wait()
            raise DecoderClosedError("the decoder is closed")

    def _start(self) -> DecoderChild:
        try:
            child = DecoderChild(self._limits.memory_bytes)
        except OSError as error:
            raise DecoderStartError(f"the decoder process cannot be started: {error}") from error
        self._children.add(child)
        return child

    def _await_ready(self, child: DecoderChild) -> None:
        try:
            child.await_ready()
        except (OSError, EOFError, ValueError) as error:
            child.end()
            if child.is_closing:
                raise DecoderClosedError("the decoder was closed while it started") from None
            raise DecoderStartError(
                f"the decoder process did not start ({child.status}); "
                f"`{sys.executable} -m index.decoder_process` shows why"
            ) from error

    def _release(self, child: DecoderChild) -> None:
        is_free = child.stop()
        with self._changed:
            if is_free and not self._closed:
                self._idle.append(child)
            else:
                self._discard(child)
            self._changed.notify()

    def _discard(self, child: DecoderChild) -> None:
        child.end()
        child.close()
        self._children.discard(child)


class DecodedExcerpts:
    """The `Excerpts` of a file that a child has open. `Decoder.decode` makes it.

    Attributes:
        metadata: What the file says of itself; its duration is the measured one when the iteration is through.
        skipped_packets: Packets that could not be decoded so far.
        decoded_seconds: Audio that came out of the decoder so far.
    """

    def __init__(self, child: DecoderChild, path: Path, plan: ExcerptPlan, limits: DecodeLimits) -> None:
        self._child = child
        self._name = path.name
        self._plan = plan
        self._limits = limits
        request = {
            "kind": "decode",
            "path": str(path.absolute()),
            "plan": dataclasses.asdict(plan),
            "file_bytes": limits.file_bytes,
            "audio_seconds": limits.audio_seconds,
        }
        self._waited_seconds = 0.0
        child.request(request, payload_limit=BLOCK_EXCERPTS * plan.excerpt_samples * 4)
        self._next()

    def __iter__(self) -> Iterator[ExcerptBlock]:
        """Blocks from the beginning of the track to its end, as `Excerpts` says."""
        while self._child.is_busy:
            block = self._next()
            if block is not None:
                yield block

    def _next(self) -> ExcerptBlock | None:
        """Take the next message in; a block, if it is one."""
        message, payload = self._receive()
        try:
            self.metadata = AudioMetadata(**message["metadata"])
            self.skipped_packets = int(message["skipped_packets"])
            self.decoded_seconds = float(message["decoded_seconds"])
            if not payload:
                return None
            samples = np.frombuffer(payload, dtype=np.float32).reshape(-1, self._plan.excerpt_samples)
            return ExcerptBlock(np.array(message["starts_seconds"], dtype=np.float64), samples)
        except _GARBLED as error:
            raise self._crashed() from error

    def _receive(self) -> tuple[dict[str, Any], bytearray]:
        """The next message about the file that was asked for, and the samples that came with it.

        Raises:
            AudioError: If the file gave one, or the child gave nothing in time, or nothing any more.
            OSError: If the file gave one.
            DecoderClosedError: If the decoder was closed meanwhile.
        """
        began, patience_seconds = time.monotonic(), self._patience_seconds()
        try:
            message, payload = self._child.receive(patience_seconds)
            self._waited_seconds += time.monotonic() - began
            code = AudioErrorCode(message["code"]) if message["kind"] == "audio_error" else None
        except TimeoutError:
            self._child.end()
            is_whole = patience_seconds < self._limits.seconds
            what = f"took {self._limits.whole_seconds:g} s" if is_whole else f"gave nothing for {patience_seconds:g} s"
            raise AudioError(AudioErrorCode.TIMED_OUT, f"{self._name}: the decoder {what}, and was ended") from None
        except (EOFError, ConnectionError, *_GARBLED) as error:
            raise self._crashed() from error
        if code is not None:
            raise AudioError(code, str(message.get("message")))
        if message["kind"] == "os_error":
            raise OSError(message.get("errno"), message.get("message"), message.get("path"))
        return message, payload

    def _patience_seconds(self) -> float:
        """How long to wait for the next message; above zero, so that what is there already is taken."""
        if self._limits.whole_seconds is None:
            return self._limits.seconds
        return max(1e-6, min(self._limits.seconds, self._limits.whole_seconds - self._waited_seconds))

    def _crashed(self) -> AudioError | DecoderClosedError:
        """End what is left of the process; the result says why it ended."""
        self._child.end()
        if self._child.is_closing:
            return DecoderClosedError(f"the decoder was closed while it decoded {self._name}")
        return AudioError(AudioErrorCode.DECODER_CRASHED, f"{self._name} ended its decoder ({self._child.status})")
