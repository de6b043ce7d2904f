"""Own labels, jobs, and which model bundle answers.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "track_labels",
        sa.Column("track_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["track_id"], ["tracks.id"], name="fk_track_labels_track_id_tracks", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("track_id", name="pk_track_labels"),
    )
    op.create_index("ix_track_labels_revision", "track_labels", ["revision"])

    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("track_id", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"])

    op.create_table(
        "model_bundles",
        sa.Column("encoder_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("embedder", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("encoder_id", name="pk_model_bundles"),
    )
    op.create_table(
        "embedding_failures",
        sa.Column("encoder_id", sa.Text(), nullable=False),
        sa.Column("track_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["track_id"], ["tracks.id"], name="fk_embedding_failures_track_id_tracks", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("encoder_id", "track_id", name="pk_embedding_failures"),
    )
    op.create_index("ix_embedding_failures_track_id", "embedding_failures", ["track_id"])
    op.add_column("catalogue_state", sa.Column("answering", sa.Text(), nullable=True))
    op.add_column("catalogue_state", sa.Column("wanted", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take it back: labels and jobs are lost, tracks and what is heard in them stay."""
    with op.batch_alter_table("catalogue_state") as table:
        table.drop_column("wanted")
        table.drop_column("answering")
    for name in ("embedding_failures", "model_bundles", "jobs", "track_labels"):
        op.drop_table(name)
