"""Refunds go out as payments of their own; they count when they settle, and no more when they come back."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0020"
branch_labels = None
depends_on = None

UP = (
    "ALTER TABLE contribution_receipt ADD COLUMN payment_id uuid",
    "ALTER TABLE contribution_receipt ADD COLUMN account_id uuid",
    "ALTER TABLE contribution_receipt ADD COLUMN booked boolean NOT NULL DEFAULT false",
    "ALTER TABLE contribution_receipt ADD COLUMN times integer NOT NULL DEFAULT 0",
    "ALTER TABLE contribution_receipt DROP CONSTRAINT ck_contribution_receipt_status",
    """
    ALTER TABLE contribution_receipt ADD CONSTRAINT ck_contribution_receipt_status
    CHECK (status IN ('proposed', 'sent', 'failed', 'done', 'cancelled'))
    """,
    "ALTER TABLE contribution_receipt ADD CONSTRAINT ck_contribution_receipt_two CHECK (approved_by <> created_by)",
    """
    CREATE UNIQUE INDEX uq_contribution_receipt_payment_id ON contribution_receipt (payment_id)
    WHERE payment_id IS NOT NULL
    """,
)
DOWN = (
    "DROP INDEX uq_contribution_receipt_payment_id",
    "ALTER TABLE contribution_receipt DROP CONSTRAINT ck_contribution_receipt_two",
    "ALTER TABLE contribution_receipt DROP CONSTRAINT ck_contribution_receipt_status",
    "UPDATE contribution_receipt SET status = 'done' WHERE status IN ('sent', 'failed', 'cancelled')",
    """
    ALTER TABLE contribution_receipt ADD CONSTRAINT ck_contribution_receipt_status
    CHECK (status IN ('proposed', 'done'))
    """,
    "ALTER TABLE contribution_receipt DROP COLUMN times",
    "ALTER TABLE contribution_receipt DROP COLUMN booked",
    "ALTER TABLE contribution_receipt DROP COLUMN account_id",
    "ALTER TABLE contribution_receipt DROP COLUMN payment_id",
)


def upgrade() -> None:
    """Create what this revision adds."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop it."""
    for statement in DOWN:
        op.execute(statement)
