"""What runs in a child of `decoder`: `python -m index.decoder_process`, with its parent's socket for standard input.

Imports numpy, PyAV, soundfile and `audio`, nothing else. A message is JSON and raw bytes, their lengths before them;
nothing is pickled, as a file may have taken this process over and the parent reads what it writes.
"""

import errno
import json
import os
import resource
import signal
import socket
import struct
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

from index.audio import AudioError, AudioErrorCode, ExcerptPlan, Excerpts, open_audio
from index.waveform import Samples

# Lengths of a message's JSON and of the bytes behind it.
_LENGTHS = struct.Struct(">II")

# Far more than the longest tags and paths need.
_JSON_LIMIT = 2**20


def send_message(connection: socket.socket, message: dict[str, Any], samples: Samples | None = None) -> None:
    """Write a message.

    Args:
        connection: To the other process.
        message: Its `kind`, and what belongs to it.
        samples: Float32, C-contiguous.

    Raises:
        ConnectionError: If the other process is gone.
    """
    text = json.dumps(message).encode()
    connection.sendall(_LENGTHS.pack(len(text), 0 if samples is None else samples.nbytes) + text)
    if samples is not None:
        connection.sendall(samples.data.cast("B"))


def receive_message(connection: socket.socket, payload_limit: int) -> tuple[dict[str, Any], bytearray]:
    """Read a message and the bytes behind it.

    Args:
        connection: To the other process; its timeout holds for each piece.
        payload_limit: Most bytes that may follow.

    Raises:
        EOFError: If the other process is gone.
        TimeoutError: If nothing came in time.
        ValueError: If this is no message.
    """
    text_bytes, payload_bytes = _LENGTHS.unpack(_receive(connection, _LENGTHS.size))
    if text_bytes > _JSON_LIMIT or payload_bytes > payload_limit:
        raise ValueError(f"a message claims {text_bytes:,} + {payload_bytes:,} bytes, more than any has")
    message = json.loads(_receive(connection, text_bytes))
    if not isinstance(message, dict):
        raise ValueError("a message is not a JSON object")
    return message, _receive(connection, payload_bytes)


def _receive(connection: socket.socket, count: int) -> bytearray:
    received = bytearray(count)
    view = memoryview(received)
    while view:
        read = connection.recv_into(view)
        if read == 0:
            raise EOFError("the other process is gone")
        view = view[read:]
    return received


class _Request:
    """A file to decode, until it is stopped."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.path = Path(message["path"])
        self.plan = ExcerptPlan(**message["plan"])
        self.file_bytes: int | None = message["file_bytes"]
        self.audio_seconds: float | None = message["audio_seconds"]
        self.is_stopped = False


def serve(connection: socket.socket, memory_bytes: int) -> NoReturn:
    """Decode what the parent asks for until it is gone.

    Args:
        connection: To the parent.
        memory_bytes: What the process may take from here on.
    """
    requests: SimpleQueue[_Request] = SimpleQueue()
    # A thread of its own hears at once that the parent is gone or wants no more, even while FFmpeg hangs.
    threading.Thread(target=_listen, args=(connection, requests), daemon=True).start()
    _limit_memory(memory_bytes)
    send_message(connection, {"kind": "ready"})
    while True:
        request = requests.get()
        try:
            answer = _decode(connection, request)
        except ConnectionError:
            os._exit(0)
        except AudioError as error:
            answer = _audio_error(error.code, error.message)
        except OSError as error:
            answer = _os_error(error, request.path, memory_bytes)
        except MemoryError:
            answer = _out_of_memory(request.path, memory_bytes)
        except Exception as error:  # the file found a mistake of ours: it costs itself, like a crash
            message = f"{request.path.name} ended its decoder ({type(error).__name__}: {error})"
            answer = _audio_error(AudioErrorCode.DECODER_CRASHED, message) | {"is_reusable": False}
        send_message(connection, answer | {"is_last": True})


def _os_error(error: OSError, path: Path, memory_bytes: int) -> dict[str, Any]:
    """The answer of a file that the system would not open or read."""
    # To open a file takes memory, too.
    if error.errno == errno.ENOMEM:
        return _out_of_memory(path, memory_bytes)
    return {"kind": "os_error", "errno": error.errno, "message": error.strerror, "path": str(path)}


def _out_of_memory(path: Path, memory_bytes: int) -> dict[str, Any]:
    """The answer of a file that the memory allowed is not enough for; the process is of no further use."""
    _lift_memory_limit()
    message = f"{path.name} needs more memory than the {memory_bytes / 2**20:,.0f} MiB allowed"
    return _audio_error(AudioErrorCode.TOO_LARGE, message) | {"is_reusable": False}


def _listen(connection: socket.socket, requests: "SimpleQueue[_Request]") -> None:
    request: _Request | None = None
    try:
        while True:
            message, _ = receive_message(connection, 0)
            if message["kind"] == "stop" and request is not None:
                request.is_stopped = True
            else:
                request = _Request(message)
                requests.put(request)
    finally:
        os._exit(0)


def _decode(connection: socket.socket, request: _Request) -> dict[str, Any]:
    """Send a file's blocks; the result is the message that ends them."""
    size = request.path.stat().st_size
    if request.file_bytes is not None and size > request.file_bytes:
        raise AudioError(
            AudioErrorCode.TOO_LARGE,
            f"{request.path.name} has {size:,} bytes, at most {request.file_bytes:,} are allowed",
        )
    with open_audio(request.path, request.plan) as excerpts:
        _refuse_length(excerpts, request)
        send_message(connection, _state("open", excerpts))
        for block in excerpts:
            if request.is_stopped:
                break
            _refuse_length(excerpts, request)
            message = _state("block", excerpts) | {"starts_seconds": block.starts_seconds.tolist()}
            send_message(connection, message, block.samples)
        return _state("end", excerpts)


def _refuse_length(excerpts: Excerpts, request: _Request) -> None:
    """Refuse a file that is longer than allowed, by what it claims, by what is known, or by what came out of it."""
    known, allowed = excerpts.metadata.duration_seconds or 0, request.audio_seconds
    if allowed is not None and max(known, excerpts.decoded_seconds) > allowed:
        raise AudioError(
            AudioErrorCode.TOO_LONG,
            f"{request.path.name} lasts {known or excerpts.decoded_seconds:,.0f} s, at most {allowed:g} s are allowed",
        )


def _state(kind: str, excerpts: Excerpts) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": asdict(excerpts.metadata),
        "skipped_packets": excerpts.skipped_packets,
        "decoded_seconds": excerpts.decoded_seconds,
    }


def _audio_error(code: AudioErrorCode, message: str) -> dict[str, Any]:
    return {"kind": "audio_error", "code": code, "message": message}


def _limit_memory(further_bytes: int) -> None:
    """Let this process take no more address space than it has and `further_bytes`, where the system tells what it has.

    Elsewhere there is no limit.
    """
    sizes = Path("/proc/self/statm")
    if sizes.exists():
        address_space = int(sizes.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = address_space + further_bytes
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _lift_memory_limit() -> None:
    """Even saying that memory ran out takes some."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(socket.socket(fileno=os.dup(sys.stdin.fileno())), int(sys.argv[1]))
