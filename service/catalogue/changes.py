"""What an index must see of the catalogue: every vector, or what happened since a revision. `index.live` takes it in.

Every change has a revision of its own, and writers come one after the other (see `writing`), so changes appear in the
order of their revisions: who saw revision R never finds a change at or below R later.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from index.subspaces import Vectors
from service.catalogue.database import Database
from service.catalogue.errors import RevisionAheadError
from service.catalogue.tables import DeletionRow, EmbeddingRow, SpaceRow, StateRow

if TYPE_CHECKING:  # it brings FAISS along, which commands that only look do without
    from index.live_state import Change

# 2,000 vectors of 256 float32 numbers are 2 MB: little memory, and few statements.
VECTORS_AT_ONCE = 2000


def changes_since(session: Session, encoder_id: str, revision: int, *, limit: int) -> "Change | None":
    """The next changes of an embedding space; `Catalogue.changes_since` says what they mean.

    Raises:
        RevisionAheadError: If the catalogue has not come that far.
    """
    from index.live_state import Change

    reached = session.scalars(select(StateRow.revision)).one()
    if revision > reached:
        raise RevisionAheadError(
            f"the index stands at revision {revision}, the catalogue at {reached}: it is not the database the index "
            "was made of; delete the index snapshots, and they are made anew"
        )
    width = session.scalar(select(SpaceRow.width).where(SpaceRow.encoder_id == encoder_id))
    if revision == reached or width is None:
        return None
    puts = session.execute(
        select(EmbeddingRow.revision, EmbeddingRow.track_id, EmbeddingRow.vector)
        .where(EmbeddingRow.encoder_id == encoder_id, EmbeddingRow.revision > revision)
        .order_by(EmbeddingRow.revision)
        .limit(limit)
    ).all()
    is_in_space = exists().where(EmbeddingRow.track_id == DeletionRow.track_id, EmbeddingRow.encoder_id == encoder_id)
    deletions = session.execute(
        select(DeletionRow.revision, DeletionRow.track_id)
        .where(DeletionRow.revision > revision, ~is_in_space)
        .order_by(DeletionRow.revision)
        .limit(limit)
    ).all()
    revisions = sorted(row.revision for row in (*puts, *deletions))
    # Every change has a revision of its own, so a batch ends cleanly behind any of them.
    until = reached if len(revisions) < limit else revisions[limit - 1]
    puts = [row for row in puts if row.revision <= until]
    return Change(
        revision=until,
        put_ids=tuple(row.track_id for row in puts),
        put_vectors=np.array([row.vector for row in puts], np.float32).reshape(-1, width),
        deleted_ids=tuple(row.track_id for row in deletions if row.revision <= until),
    )


def all_embeddings(database: Database, encoder_id: str) -> Iterator[tuple[list[str], Vectors]]:
    """Every track's vector, batch by batch; `Catalogue.all_embeddings` says how to use it."""
    # One pass over the table, in whatever order it lies: keyset pages in the order of ids made SQLite sort all of the
    # table for each of them. The transaction keeps the write-ahead log from being folded for as long as this takes.
    wanted = select(EmbeddingRow.track_id, EmbeddingRow.vector).where(EmbeddingRow.encoder_id == encoder_id)
    with database.reading() as session:
        rows = session.execute(wanted, execution_options={"yield_per": VECTORS_AT_ONCE})
        for some in rows.partitions():
            yield [row.track_id for row in some], np.stack([row.vector for row in some])
