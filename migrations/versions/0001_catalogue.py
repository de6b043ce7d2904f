"""The catalogue's first tables.

Revision: 0001, after nothing
"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "tracks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("artist", sa.Text(), nullable=True),
        sa.Column("artist_folded", sa.Text(), nullable=True),
        sa.Column("album", sa.Text(), nullable=True),
        sa.Column("year", sa.BigInteger(), nullable=True),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.Column("skipped_packets", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tracks"),
        sa.UniqueConstraint("path", name="uq_tracks_path"),
    )
    op.create_index("ix_tracks_content_hash", "tracks", ["content_hash"])
    op.create_index("ix_tracks_artist_folded", "tracks", ["artist_folded"])

    op.create_table(
        "embedding_spaces",
        sa.Column("encoder_id", sa.Text(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("encoder_id", name="pk_embedding_spaces"),
    )

    op.create_table(
        "embeddings",
        sa.Column("track_id", sa.Text(), nullable=False),
        sa.Column("encoder_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("tag_probabilities", sa.LargeBinary(), nullable=False),
        sa.Column("excerpt_starts", sa.LargeBinary(), nullable=False),
        sa.Column("excerpt_vectors", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["track_id"], ["tracks.id"], name="fk_embeddings_track_id_tracks", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["encoder_id"], ["embedding_spaces.encoder_id"], name="fk_embeddings_encoder_id_embedding_spaces"
        ),
        sa.PrimaryKeyConstraint("track_id", "encoder_id", name="pk_embeddings"),
    )
    op.create_index("ix_embeddings_encoder_id_revision", "embeddings", ["encoder_id", "revision"])

    op.create_table(
        "deletions",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("track_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_deletions"),
    )

    state = op.create_table(
        "catalogue_state",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_catalogue_state"),
    )
    op.bulk_insert(state, [{"id": 1, "revision": 0, "identity": str(uuid.uuid4())}])

    op.create_table(
        "ingest_results",
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("track_id", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_ingest_results"),
    )
    op.create_index("ix_ingest_results_outcome", "ingest_results", ["outcome"])


def downgrade() -> None:
    """Take it back."""
    for table in ("ingest_results", "catalogue_state", "deletions", "embeddings", "embedding_spaces", "tracks"):
        op.drop_table(table)
