"""A command that is killed at a random moment, and what must be true of a database afterwards."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from proofs.processes import ROOT, facet_environment
from proofs.proving import check


@dataclass(frozen=True)
class Command:
    """What is killed: a command, and how long it takes if it is not."""

    arguments: list[str]
    environment: dict[str, str]
    seconds: float

    @classmethod
    def timed(cls, arguments: list[str], environment: dict[str, str]) -> "Command":
        """A command that was run to its end once."""
        command = cls(arguments, environment, 0)
        began = time.monotonic()
        command.run()
        return cls(arguments, environment, time.monotonic() - began)

    def run(self) -> None:
        """Run it to its end."""
        process = self._start()
        output = process.communicate(timeout=900)[0]
        check(process.returncode == 0, f"{self.arguments} ended with {process.returncode}: {output}")

    def kill(self, rng: random.Random) -> bool:
        """Start it, and kill it at any moment of its time; whether it had not ended before."""
        process = self._start()
        time.sleep(rng.uniform(0.05, 1.0) * self.seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return process.returncode == -signal.SIGKILL

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *self.arguments],
            cwd=ROOT,
            env=facet_environment(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def check_database(file: Path) -> None:
    """SQLite finds its file in order, if there is one.

    Raises:
        NotProvenError: If it does not.
    """
    if not file.exists():
        return
    connection = sqlite3.connect(file)
    try:
        check(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], f"{file} is damaged")
        check(connection.execute("PRAGMA foreign_key_check").fetchall() == [], f"{file} refers to what is not there")
    finally:
        connection.close()
