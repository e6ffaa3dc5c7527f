"""The probe service's tables."""

import sqlalchemy as sa
from alembic import op

from shared.migrations import create_kit_tables, drop_kit_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_kit_tables(op)
    op.create_table(
        "thing",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "seen",
        sa.Column("household_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    )


def downgrade() -> None:
    op.drop_table("seen")
    op.drop_table("thing")
    drop_kit_tables(op)
