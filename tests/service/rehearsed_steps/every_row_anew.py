"""A step that no catalogue takes: it does to both large tables the hardest thing that a step may have to do.

Tests and `benchmarks.migrations` take it and take it back, to show that such a step keeps what is there, needs little
memory and can be interrupted. A column is added and filled row by row in Python, another one by the database alone,
and both are then required, for which SQLite makes the tables anew.
"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from service.catalogue.tables import SCHEMA_REVISION

revision = "rehearsed"
down_revision = SCHEMA_REVISION
branch_labels = None
depends_on = None

# Of some hundred bytes each.
ROWS_AT_ONCE = 1000

TRACKS = sa.table("tracks", sa.column("id", sa.Text()), sa.column("title", sa.Text()), sa.column("heading", sa.Text()))


def upgrade() -> None:
    """Take the step."""
    connection = op.get_bind()
    op.add_column("tracks", sa.Column("heading", sa.Text(), nullable=True))
    filled = sa.update(TRACKS).where(TRACKS.c.id == sa.bindparam("of_id")).values(heading=sa.bindparam("made"))
    for rows in _portions(connection):
        connection.execute(filled, [{"of_id": row.id, "made": row.title.casefold()} for row in rows])
    with op.batch_alter_table("tracks") as table:
        table.alter_column("heading", existing_type=sa.Text(), nullable=False)
    op.create_index("ix_tracks_heading", "tracks", ["heading"])

    op.add_column("embeddings", sa.Column("excerpts", sa.BigInteger(), nullable=True))
    op.execute("UPDATE embeddings SET excerpts = length(excerpt_starts) / 4")
    with op.batch_alter_table("embeddings") as table:
        table.alter_column("excerpts", existing_type=sa.BigInteger(), nullable=False)


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("embeddings") as table:
        table.drop_column("excerpts")
    op.drop_index("ix_tracks_heading", "tracks")
    with op.batch_alter_table("tracks") as table:
        table.drop_column("heading")


def _portions(connection: sa.Connection) -> Iterator[list[sa.Row[tuple[str, str]]]]:
    """All tracks by their ids, so many at a time: an open cursor would meet its own changes on SQLite."""
    after = ""
    while True:
        question = sa.select(TRACKS.c.id, TRACKS.c.title).where(TRACKS.c.id > after)
        rows = list(connection.execute(question.order_by(TRACKS.c.id).limit(ROWS_AT_ONCE)))
        if not rows:
            return
        yield rows
        after = rows[-1].id
