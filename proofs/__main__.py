"""Runs the proofs, one after the other, each in a folder that is gone afterwards.

    python -m proofs                    all of them, at full size: what `make prove` does
    python -m proofs --brief            all of them, small
    python -m proofs kills --size 50    one of them, of a size of one's own

Exits with status 1 if a promise does not hold.
"""

import argparse
import importlib
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from proofs.proving import NotPossibleHereError, NotProvenError


@dataclass(frozen=True)
class Proof:
    """A module of this package with a function `prove(size, folder)`.

    Attributes:
        says: What is promised.
        unit: Of the size.
        full: Size that proves it.
        brief: Size that shows that the proof works.
        measures_speed: Whether it compares speeds, so that nothing else should run meanwhile.
    """

    says: str
    unit: str
    full: int
    brief: int
    measures_speed: bool = False


PROOFS: Mapping[str, Proof] = {
    "audio_files": Proof("damaged audio: no crash, no hang, every answer coded", "files", 1000, 40),
    "names": Proof("names in every script and in broken encodings", "names a kind", 40, 1),
    "long_file": Proof("a very long file, in bounded memory", "hours", 10, 1),
    "disks": Proof("full and read-only disks: clear errors, full recovery", "rounds", 3, 1),
    "dead_database": Proof("a database that is away or silent: clear errors, full recovery", "rounds", 5, 1),
    "corruption": Proof("corrupted snapshots and bundles: clear errors, full recovery", "flipped bytes", 60, 4),
    "publishing": Proof("snapshots published under load: no failed request", "snapshots", 20, 2),
    "another_model": Proof("another model takes over under load: no failed request", "changes", 5, 1),
    "two_services": Proof("what one service changes, the other sees within two seconds", "tracks", 50, 3),
    "kills": Proof("kill -9 at random moments: nothing lost, doubled or half-visible", "kills", 200, 10),
    "openapi": Proof("the OpenAPI document, by schemathesis with all its checks", "examples a call", 100, 3),
    "capacity": Proof(
        "twice as many questions as it can answer: refused with a code, the rest answered", "s", 300, 5, True
    ),
    "limits": Proof("one caller past its share: refused with 429, the others served as before", "s", 60, 8, True),
    "migration": Proof("the steps of a large catalogue: memory, kills, nothing lost", "tracks", 100_000, 500),
    "backups": Proof("backup and restore of a large catalogue: time and memory", "tracks", 100_000, 500),
}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*PROOFS, []], metavar="NAME", help=f"of {', '.join(PROOFS)}")
    parser.add_argument("--brief", action="store_true", help="small sizes")
    parser.add_argument("--size", type=int, help="a size of one's own")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.platform()}", flush=True)
    failed = False
    for name in arguments.names or PROOFS:
        proof = PROOFS[name]
        size = arguments.size or (proof.brief if arguments.brief else proof.full)
        print(f"\n{name}: {proof.says}; {size} {proof.unit}", flush=True)
        began = time.monotonic()
        try:
            prove(name, size)
        except NotPossibleHereError as error:
            print(f"NOT RUN: {error}", flush=True)
            continue
        except NotProvenError as error:
            print(f"NOT PROVEN: {error}", flush=True)
            failed = True
            continue
        except Exception as error:  # what breaks proves nothing, and must not keep the others from being run
            print(f"NOT PROVEN: {error!r}", flush=True)
            failed = True
            continue
        print(f"PROVEN in {time.monotonic() - began:.0f} s", flush=True)
    return int(failed)


def prove(name: str, size: int) -> None:
    """Run one proof.

    Raises:
        NotProvenError: If its promise does not hold.
        NotPossibleHereError: If this machine lacks what it needs.
    """
    with tempfile.TemporaryDirectory(prefix="facet-proof-") as folder:
        importlib.import_module(f"proofs.{name}").prove(size, Path(folder).resolve())


if __name__ == "__main__":
    sys.exit(main())
