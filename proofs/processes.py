"""Facet in processes of their own, as it is run: what is killed, starved and asked in the proofs."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from proofs.proving import check

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 120.0
# Not `ru_maxrss`: a child that is started by a large process begins with that one's peak. The kernel's own count, in
# kB, begins anew with the program.
MEASURED = (
    "import pathlib, re, sys, facet\n"
    "try:\n    facet.main(sys.argv[1:], standalone_mode=False)\n"
    "finally:\n"
    "    status = pathlib.Path('/proc/self/status').read_text()\n"
    "    print('peak', int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) * 1024)"
)


@dataclass(frozen=True)
class Serving:
    """A `facet serve` that answers.

    Attributes:
        process: It.
        address: Of its calls.
        log: Where what it logs is written, one JSON object a line.
    """

    process: subprocess.Popen[str]
    address: str
    log: Path

    @property
    def host_and_port(self) -> tuple[str, int]:
        """For a socket."""
        url = httpx.URL(self.address)
        return url.host, url.port or 80

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS)


@contextmanager
def serving(folder: Path, environment: Mapping[str, str]) -> Iterator[Serving]:
    """A service on a free port, ended with the block.

    Args:
        folder: Where its log goes.
        environment: Its settings.

    Raises:
        RuntimeError: If it does not start; the message is its log.
    """
    log = folder / "service.log"
    with (
        log.open("a") as stderr,
        subprocess.Popen(
            [sys.executable, ROOT / "facet.py", "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=ROOT,
            env=facet_environment(environment),
        ) as process,
    ):
        try:
            yield Serving(process, _address(process, log), log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def run_facet(
    *arguments: str | Path, environment: Mapping[str, str], seconds: float = 900
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, ROOT / "facet.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        cwd=ROOT,
        env=facet_environment(environment),
    )


def run_measured(*arguments: str | Path, environment: Mapping[str, str]) -> tuple[float, int]:
    """Run a command to its end: how many seconds it took, and how many bytes of memory at most.

    Raises:
        NotProvenError: If it fails.
    """
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        cwd=ROOT,
        env=facet_environment(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    check(done.returncode == 0, done.stdout + done.stderr)
    found = re.search(r"peak (\d+)", done.stdout)
    check(found, "its memory was not told")
    return time.monotonic() - began, int(found[1]) if found else 0


def facet_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process with these settings and no others."""
    # A proof asks as all callers together would: what one of them may do is for `limits` to prove.
    unlimited = {f"FACET_{each}": "100000" for each in ("REQUESTS_PER_SECOND", "REQUESTS_AT_ONCE", "UPLOADS_AT_ONCE")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FACET_")}
    return {**inherited, "FACET_THREADS": "1", "FACET_LOG_FORMAT": "json", **unlimited, **settings}


def memory_bytes(process_id: int) -> int:
    """Of a process; 0 where the system does not say."""
    status = Path(f"/proc/{process_id}/status")
    if not status.exists():
        return 0
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) * 1024


def processor_seconds(process_id: int) -> float:
    """What a process has had of a core so far; 0 where the system does not say."""
    status = Path(f"/proc/{process_id}/stat")
    if not status.exists():
        return 0.0
    # Behind the name, which may hold anything: the 14th and 15th fields of all are its own time and the kernel's.
    fields = status.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"http://\S+", line)
        if found is not None:
            return found[0]
    raise RuntimeError(f"the service ended with status {process.wait()}:\n{log.read_text()}")
