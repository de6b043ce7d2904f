"""One child process of `decoder`: started, asked for a file, listened to, ended. What it says, `decoder` understands.

`decoder_process` is what runs there, and defines the messages.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

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


class DecoderChild:
    """A process and the connection to it: a request at a time, answered by messages.

    Args:
        memory_bytes: Address space it may take on top of what it takes when idle.

    Attributes:
        is_busy: Whether a request has not had its last answer yet.
        is_closing: Whether it was ended because nobody wants it any more, and not for a fault.
        requests: How many there were.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.is_busy = False
        self.is_closing = False
        self.requests = 0
        self._is_ready = False
        # False once a message was not read to its end, or the process is in a state not to be trusted.
        self._is_usable = True
        self._payload_limit = 0
        self._socket, theirs = socket.socketpair()
        try:
            # In a session of its own, so that Ctrl-C reaches this process only; without a terminal to print on.
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "index.decoder_process", str(memory_bytes)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,
            )
        except OSError:
            self._socket.close()
            raise
        finally:
            theirs.close()

    @property
    def process_id(self) -> int:
        """Of the system."""
        return self._process.pid

    @property
    def status(self) -> str:
        """How it ended, in words."""
        status = self._process.poll()
        if status is None:
            return "it is still running"
        return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"

    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    def await_ready(self) -> None:
        """Wait, once, until the new process can be asked.

        Raises:
            OSError, EOFError, ValueError: If it does not say that it can.
        """
        if not self._is_ready:
            self.receive(_START_SECONDS)
            self._is_ready = True

    def request(self, message: dict[str, Any], *, payload_limit: int) -> None:
        """Ask for a file.

        Args:
            message: As `decoder_process` takes it.
            payload_limit: Most bytes that may come behind an answer.
        """
        self.is_busy = True
        self.requests += 1
        self._payload_limit = payload_limit
        # That a child is gone shows when its answer is awaited.
        with suppress(ConnectionError):
            send_message(self._socket, message)

    def receive(self, seconds: float) -> tuple[dict[str, Any], bytearray]:
        """The next message, and the bytes behind it.

        Args:
            seconds: Longest wait for a piece of it.

        Raises:
            TimeoutError: If nothing came in time.
            EOFError, ConnectionError: If the process is gone.
            ValueError: If this is no message.
        """
        self._is_usable = False
        self._socket.settimeout(seconds)
        message, payload = receive_message(self._socket, self._payload_limit)
        self._is_usable = message.get("is_reusable", True) is True
        self.is_busy = self.is_busy and not message.get("is_last", False)
        return message, payload

    def stop(self) -> bool:
        """Make an end of the file that was asked for. False if the child is of no further use."""
        until = time.monotonic() + _STOP_SECONDS
        try:
            if self.is_busy and self._is_usable:
                send_message(self._socket, {"kind": "stop"})
            while self.is_busy and self._is_usable and time.monotonic() < until:
                self.receive(_STOP_SECONDS)
        except (OSError, EOFError, ValueError):
            return False
        return self._is_usable and not self.is_busy

    def end(self, *, is_closing: bool = False) -> None:
        """Kill the process; whoever waits for a message of it learns that it is gone."""
        self.is_closing = self.is_closing or is_closing
        self._is_usable = False
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_SECONDS)

    def close(self) -> None:
        """Give the connection back, once nobody waits at it."""
        self._socket.close()
