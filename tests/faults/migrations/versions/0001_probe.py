"""The probe's tables."""

import sqlalchemy as sa
from alembic import op

from shared.migrations import create_kit_tables, drop_kit_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_kit_tables(op)
    op.create_table(
        "household",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "application",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("household_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "chunk", sa.Column("job_id", sa.Uuid, primary_key=True), sa.Column("done", sa.Integer, nullable=False)
    )
    op.create_table("mended", sa.Column("cause", sa.Text, primary_key=True))


def downgrade() -> None:
    for table in ("mended", "chunk", "application", "household"):
        op.drop_table(table)
    drop_kit_tables(op)
