"""Records that are one; what a claim keeps back follows the payment it was kept back from."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE identity_alias (
        retired_id uuid CONSTRAINT pk_identity_alias PRIMARY KEY,
        surviving_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT ck_identity_alias_kind CHECK (kind IN ('person', 'household')),
        merge_id uuid NOT NULL,
        active boolean NOT NULL,
        version integer NOT NULL
    )
    """,
    "CREATE INDEX ix_identity_alias_surviving_id ON identity_alias (surviving_id)",
    """
    CREATE TABLE identity_member (
        id uuid CONSTRAINT pk_identity_member PRIMARY KEY,
        canonical_id uuid NOT NULL
    )
    """,
    "CREATE INDEX ix_identity_member_canonical_id ON identity_member (canonical_id)",
    "ALTER TABLE claim_deduction ADD COLUMN times integer NOT NULL DEFAULT 0",
    "ALTER TABLE claim DROP CONSTRAINT ck_claim_status",
    """
    ALTER TABLE claim ADD CONSTRAINT ck_claim_status
    CHECK (status IN ('proposed', 'open', 'closed', 'waived', 'queued'))
    """,
    "CREATE INDEX ix_payment_list_line_claim_id ON payment_list_line (claim_id) WHERE claim_id IS NOT NULL",
)
DOWN = (
    "DROP INDEX ix_payment_list_line_claim_id",
    "UPDATE claim SET status = 'closed' WHERE status = 'queued'",
    "ALTER TABLE claim DROP CONSTRAINT ck_claim_status",
    """
    ALTER TABLE claim ADD CONSTRAINT ck_claim_status CHECK (status IN ('proposed', 'open', 'closed', 'waived'))
    """,
    "ALTER TABLE claim_deduction DROP COLUMN times",
    "DROP TABLE identity_member",
    "DROP TABLE identity_alias",
)


def upgrade() -> None:
    """Create what this sitting adds."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop it."""
    for statement in DOWN:
        op.execute(statement)
