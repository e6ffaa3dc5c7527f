"""Decisions of a cycle by beneficiary, and the households that a rehearsal names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OF_A_CYCLE = sa.text("cycle_id IS NOT NULL")


def upgrade() -> None:
    """Whatever the planner believes of a cycle's size, one beneficiary's decision in it is one look into an index."""
    op.drop_index("ix_decision_cycle_id", "decision")
    op.create_index("ix_decision_cycle_id", "decision", ["cycle_id", "beneficiary_id"], postgresql_where=OF_A_CYCLE)
    op.create_table(
        "rehearsal_change",
        sa.Column("rehearsal_id", UUID, nullable=False),
        sa.Column("unit_id", UUID, nullable=False),
        sa.Column("household_id", UUID, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("clause", sa.Text, nullable=False),
        sa.Column("amount_before", sa.Numeric(18, 2), nullable=False),
        sa.Column("amount_after", sa.Numeric(18, 2), nullable=False),
        sa.PrimaryKeyConstraint("rehearsal_id", "unit_id", name="pk_rehearsal_change"),
        sa.ForeignKeyConstraint(["rehearsal_id"], ["rehearsal.id"], name="fk_rehearsal_change_rehearsal_id"),
        sa.CheckConstraint("change IN ('gains', 'loses', 'more', 'less')", name="ck_rehearsal_change_change"),
    )


def downgrade() -> None:
    """Remove it again."""
    op.drop_table("rehearsal_change")
    op.drop_index("ix_decision_cycle_id", "decision")
    op.create_index("ix_decision_cycle_id", "decision", ["cycle_id"], postgresql_where=OF_A_CYCLE)
