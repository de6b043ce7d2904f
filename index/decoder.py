"""`audio` in a child process: a stranger's file becomes excerpts, or costs one code if it hangs or kills its decoder.

Paths come from ingest and from uploads; blocks of excerpts go to `model`. A `Decoder` keeps up to `processes` children,
each serving one file after another. `decoder_process` is what runs there: it decodes one block while the caller is busy
with the last, and then waits. Runs on POSIX systems.
"""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from index.audio import BLOCK_EXCERPTS, AudioError, AudioErrorCode, AudioMetadata, ExcerptBlock, ExcerptPlan
from index.decoder_process import receive_message, send_message

# Interpreter and imports take a quarter of a second; this is for a machine that starts everything at once.
_START_SECONDS = 60.0

# How long a child may take to finish the block it is at when nobody wants it any more. Replacing it takes less.
_STOP_SECONDS = 1.0

# A killed process is gone at once, unless it hangs in the file system: then nobody can end it, or need wait for it.
_KILL_SECONDS = 1.0

# One thread each, and one heap: every further one would reserve 64 MiB of the address space that is limited.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


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
        memory_bytes: Address space a child may take on top of what it takes when idle. On Linux; elsewhere the system
            does not say how much that is, and only time is limited.
        file_bytes: Largest file that is opened at all, or None.

    Raises:
        ValueError: If a number is not positive.
    """

    seconds: float = 60.0
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
        self._children: set[_Child] = set()
        self._idle: list[_Child] = []
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

    def _open(self, path: Path, plan: ExcerptPlan) -> tuple["_Child", "DecodedExcerpts"]:
        while True:
            child = self._acquire()
            try:
                return child, DecodedExcerpts(child, path, plan)
            except BaseException as error:
                self._release(child)
                # A child may have been killed while idle, or harmed by an earlier file: only a new one proves the file.
                is_crash = isinstance(error, AudioError) and error.code is AudioErrorCode.DECODER_CRASHED
                if not is_crash or child.requests == 1:
                    raise

    def _acquire(self) -> "_Child":
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

    def _start(self) -> "_Child":
        child = _Child(self._limits)
        self._children.add(child)
        return child

    def _release(self, child: "_Child") -> None:
        is_free = child.stop()
        with self._changed:
            if is_free and not self._closed:
                self._idle.append(child)
            else:
                self._discard(child)
            self._changed.notify()

    def _discard(self, child: "_Child") -> None:
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

    def __init__(self, child: "_Child", path: Path, plan: ExcerptPlan) -> None:
        self._child = child
        self._plan = plan
        child.request(path, plan)
        self._next()

    def _next(self) -> ExcerptBlock | None:
        """Take the next message in; a block, if it is one."""
        message, payload = self._child.receive()
        try:
            self.metadata = AudioMetadata(**message["metadata"])
            self.skipped_packets = int(message["skipped_packets"])
            self.decoded_seconds = float(message["decoded_seconds"])
            if not payload:
                return None
            samples = np.frombuffer(payload, dtype=np.float32).reshape(-1, self._plan.excerpt_samples)
            return ExcerptBlock(np.array(message["starts_seconds"], dtype=np.float64), samples)
        except _GARBLED as error:
            raise self._child.crashed() from error

    def __iter__(self) -> Iterator[ExcerptBlock]:
        """Blocks from the beginning of the track to its end, as `Excerpts` says."""
        while self._child.is_busy:
            block = self._next()
            if block is not None:
                yield block


class _Child:
    """One child process: a request at a time, answered by messages.

    Attributes:
        is_busy: Whether a request has not had its last answer yet.
        requests: How many there were.
    """

    def __init__(self, limits: DecodeLimits) -> None:
        self.is_busy = False
        self.requests = 0
        self._limits = limits
        self._is_ready = False
        self._is_closing = False
        # False once a message was not read to its end, or the process is in a state not to be trusted.
        self._is_usable = True
        self._name = ""
        self._payload_limit = 0
        self._socket, theirs = socket.socketpair()
        try:
            # In a session of its own, so that Ctrl-C reaches this process only; without a terminal to print on.
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "index.decoder_process", str(limits.memory_bytes)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,
            )
        except OSError as error:
            self._socket.close()
            raise DecoderStartError(f"the decoder process cannot be started: {error}") from error
        finally:
            theirs.close()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def request(self, path: Path, plan: ExcerptPlan) -> None:
        """Ask for a file's excerpts."""
        if not self._is_ready:
            self._await_ready()
        self.is_busy = True
        self.requests += 1
        self._name = path.name
        self._payload_limit = BLOCK_EXCERPTS * plan.excerpt_samples * 4
        # That a child is gone shows when its answer is awaited.
        with suppress(ConnectionError):
            send_message(
                self._socket,
                {
                    "kind": "decode",
                    "path": str(path.absolute()),
                    "plan": dataclasses.asdict(plan),
                    "file_bytes": self._limits.file_bytes,
                },
            )

    def receive(self) -> tuple[dict[str, Any], bytearray]:
        """The next message about the file that was asked for, and the samples that came with it.

        Raises:
            AudioError: If the file gave one, or the child gave nothing in time, or nothing any more.
            OSError: If the file gave one.
            DecoderClosedError: If the decoder was closed meanwhile.
        """
        try:
            message, payload = self._next(self._limits.seconds)
            code = AudioErrorCode(message["code"]) if message["kind"] == "audio_error" else None
        except TimeoutError:
            self.end()
            raise AudioError(
                AudioErrorCode.TIMED_OUT,
                f"{self._name}: the decoder gave nothing for {self._limits.seconds:g} s, and was ended",
            ) from None
        except (EOFError, ConnectionError, *_GARBLED) as error:
            raise self.crashed() from error
        if code is not None:
            raise AudioError(code, str(message.get("message")))
        if message["kind"] == "os_error":
            raise OSError(message.get("errno"), message.get("message"), message.get("path"))
        return message, payload

    def crashed(self) -> AudioError | DecoderClosedError:
        """End what is left of the process; the result says why it ended."""
        self.end()
        if self._is_closing:
            return DecoderClosedError(f"the decoder was closed while it decoded {self._name}")
        return AudioError(AudioErrorCode.DECODER_CRASHED, f"{self._name} ended its decoder ({self._status()})")

    def stop(self) -> bool:
        """Make an end of the file that was asked for. False if the child is of no further use."""
        until = time.monotonic() + _STOP_SECONDS
        try:
            if self.is_busy and self._is_usable:
                send_message(self._socket, {"kind": "stop"})
            while self.is_busy and self._is_usable and time.monotonic() < until:
                self._next(_STOP_SECONDS)
        except (OSError, EOFError, ValueError):
            return False
        return self._is_usable and not self.is_busy

    def end(self, *, is_closing: bool = False) -> None:
        """Kill the process; whoever waits for it gets an error of the file's, or of the decoder's closing."""
        self._is_closing = self._is_closing or is_closing
        self._is_usable = False
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_SECONDS)

    def close(self) -> None:
        """Give the connection back, once nobody waits at it."""
        self._socket.close()

    def _await_ready(self) -> None:
        try:
            self._next(_START_SECONDS)
        except (OSError, EOFError, ValueError) as error:
            self.end()
            if self._is_closing:
                raise DecoderClosedError("the decoder was closed while it started") from None
            raise DecoderStartError(
                f"the decoder process did not start ({self._status()}); "
                f"`{sys.executable} -m index.decoder_process` shows why"
            ) from error
        self._is_ready = True

    def _next(self, seconds: float) -> tuple[dict[str, Any], bytearray]:
        self._is_usable = False
        self._socket.settimeout(seconds)
        message, payload = receive_message(self._socket, self._payload_limit)
        self._is_usable = message.get("is_reusable", True) is True
        self.is_busy = self.is_busy and not message.get("is_last", False)
        return message, payload

    def _status(self) -> str:
        status = self._process.poll()
        if status is None:
            return "it is still running"
        return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
