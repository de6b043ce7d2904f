"""kill -9 at random moments of ingest, compaction, publish, migration, backup, restore, uploads, a change of model.

All on SQLite. After every kill, what is there is what was committed: no track is lost or there twice, no snapshot,
migration, backup or restore is half there, no upload that was taken in is gone, no model answers that has not heard
everything. In the end each is done to its end, and the result is that of one that was never killed. The tests do the
same to ingest and restore on PostgreSQL, and `benchmarks.migrations` to migrations of either.
"""

import random
from pathlib import Path
from typing import Protocol

from proofs.killed_services import Changeovers, Uploads
from proofs.killed_snapshots import Compactions, Publishes
from proofs.killed_writers import Backups, Ingests, Migrations, Restores
from proofs.proving import check, folder_in, tell

# Of so many kills of one kind, at moments that are spread over all of its time, one at least must meet its work.
AMID_FROM_KILLS = 10


class Killed(Protocol):
    """Something that is killed again and again."""

    def kill_once(self) -> bool:
        """Kill it at a random moment and look at what is left; whether that came amid its work.

        Raises:
            NotProvenError: If anything is lost, doubled or half-visible.
        """
        ...

    def finish(self) -> None:
        """Do it to its end, and look at all of it.

        Raises:
            NotProvenError: If it is not what it would be without the kills.
        """
        ...


class _Kind(Protocol):
    def __call__(self, folder: Path, rng: random.Random) -> Killed: ...


KINDS: dict[str, _Kind] = {
    **{"ingest": Ingests, "compaction": Compactions, "publish": Publishes},
    **{"migration": Migrations, "backup": Backups, "restore": Restores},
    **{"upload": Uploads, "change of model": Changeovers},
}


def prove(size: int, folder: Path) -> None:
    """Kill `size` times, in equal parts each of the kinds.

    Raises:
        NotProvenError: If anything is lost, doubled or half-visible, or the kills came too late to tell.
    """
    rng = random.Random(9)
    for number, (name, kind) in enumerate(KINDS.items()):
        kills = size // len(KINDS) + (number < size % len(KINDS))
        if kills == 0:
            continue
        killed = kind(folder_in(folder, name), rng)
        amid = sum(killed.kill_once() for _ in range(kills))
        killed.finish()
        check(amid > 0 or kills < AMID_FROM_KILLS, f"none of {kills} kills of {name} came amid its work")
        tell(name, f"{kills} kills, {amid} of them amid its work")
