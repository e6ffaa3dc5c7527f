"""Reversals: settled payments that an officer asks a rail to take back."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE rail_reversal (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_rail_reversal PRIMARY KEY,
        payment_id uuid NOT NULL,
        attempt_id uuid NOT NULL
            CONSTRAINT fk_rail_reversal_attempt_id_payment_attempt REFERENCES payment_attempt (id),
        rail text NOT NULL,
        reference text NOT NULL,
        state text NOT NULL DEFAULT 'requested' CONSTRAINT ck_rail_reversal_state
            CHECK (state IN ('requested', 'rejected', 'approved', 'asked', 'accepted', 'refused', 'done')),
        reason text NOT NULL,
        requested_by text NOT NULL,
        requested_at timestamptz NOT NULL,
        decided_by text NOT NULL DEFAULT '',
        decided_at timestamptz,
        reason_code text NOT NULL DEFAULT '',
        tries integer NOT NULL DEFAULT 0,
        next_at timestamptz,
        ended_at timestamptz,
        version integer NOT NULL DEFAULT 1,
        CONSTRAINT ck_rail_reversal_two CHECK (decided_by = '' OR decided_by <> requested_by)
    )
    """,
    """
    CREATE UNIQUE INDEX uq_rail_reversal_attempt_id ON rail_reversal (attempt_id)
    WHERE state NOT IN ('rejected', 'refused')
    """,
    "CREATE INDEX ix_rail_reversal_due ON rail_reversal (next_at) WHERE state IN ('approved', 'asked', 'accepted')",
)


def upgrade() -> None:
    """Create them."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP TABLE rail_reversal")
