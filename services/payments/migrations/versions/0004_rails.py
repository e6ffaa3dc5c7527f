"""Policies and health of rails, documents taken in piece by piece, breaks with an owner, sequences of statements."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RAILS = (
    """
    CREATE TABLE rail_policy (
        rail text CONSTRAINT pk_rail_policy PRIMARY KEY,
        policy jsonb NOT NULL,
        version integer NOT NULL,
        changed_by text NOT NULL,
        changed_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE rail_health (
        rail text CONSTRAINT pk_rail_health PRIMARY KEY,
        failures integer NOT NULL DEFAULT 0,
        opened_at timestamptz,
        retry_at timestamptz,
        pause_seconds integer NOT NULL DEFAULT 0,
        probe_until timestamptz,
        last_error text NOT NULL DEFAULT '',
        answered_at timestamptz,
        poll_at timestamptz,
        poll_wait_seconds integer NOT NULL DEFAULT 0
    )
    """,
    "ALTER TABLE batch ADD COLUMN sent_on date",
    "ALTER TABLE batch ADD COLUMN waits_for text NOT NULL DEFAULT ''",
    "CREATE INDEX ix_batch_sent_on ON batch (rail, currency, sent_on) INCLUDE (amount) WHERE sent_on IS NOT NULL",
)

DOCUMENTS = (
    "ALTER TABLE statement_file ADD COLUMN state text NOT NULL DEFAULT 'done'",
    """
    ALTER TABLE statement_file ADD CONSTRAINT ck_statement_file_state
        CHECK (state IN ('stored', 'applying', 'done', 'refused'))
    """,
    "ALTER TABLE statement_file ADD COLUMN position integer NOT NULL DEFAULT 0",
    "ALTER TABLE statement_file ADD COLUMN media text NOT NULL DEFAULT ''",
    "ALTER TABLE statement_file ADD COLUMN name text NOT NULL DEFAULT ''",
    "ALTER TABLE statement_file ALTER COLUMN bytes TYPE bigint",
    "ALTER TABLE statement_line ADD COLUMN direction text NOT NULL DEFAULT ''",
    "ALTER TABLE statement_line ADD COLUMN problem text NOT NULL DEFAULT ''",
    """
    CREATE INDEX ix_statement_line_unexplained ON statement_line (entry)
    WHERE verdict IN ('unknown_credit', 'orphan', 'unknown_reference', 'duplicate')
    """,
    """
    CREATE TABLE statement_part (
        file_id uuid NOT NULL CONSTRAINT fk_statement_part_file_id_statement_file REFERENCES statement_file (id),
        number integer NOT NULL,
        body_encrypted bytea NOT NULL,
        CONSTRAINT pk_statement_part PRIMARY KEY (file_id, number)
    )
    """,
    """
    CREATE TABLE statement_sequence (
        file_id uuid CONSTRAINT fk_statement_sequence_file_id_statement_file REFERENCES statement_file (id),
        position integer NOT NULL,
        source text NOT NULL,
        account_hash bytea NOT NULL,
        currency text NOT NULL,
        statement_id text NOT NULL,
        year integer NOT NULL,
        number numeric(18),
        opened numeric(23, 5),
        closed numeric(23, 5),
        closed_on date,
        CONSTRAINT pk_statement_sequence PRIMARY KEY (file_id, position)
    )
    """,
    "CREATE INDEX ix_statement_sequence_account ON statement_sequence (source, account_hash, currency, year, number)",
)

BREAKS = (
    "ALTER TABLE reconciliation_break DROP CONSTRAINT ck_reconciliation_break_kind",
    """
    ALTER TABLE reconciliation_break ADD CONSTRAINT ck_reconciliation_break_kind CHECK (kind IN ('unknown_reference',
        'orphan', 'amount_mismatch', 'currency_mismatch', 'payee_mismatch', 'duplicate', 'contradiction',
        'unreadable', 'unknown_credit', 'gap', 'balance', 'totals'))
    """,
    "ALTER TABLE reconciliation_break ADD COLUMN on_date date",
    "ALTER TABLE reconciliation_break ADD COLUMN detail text NOT NULL DEFAULT ''",
    "ALTER TABLE reconciliation_break ADD COLUMN fund_code text",
    "ALTER TABLE reconciliation_break ADD COLUMN status text NOT NULL DEFAULT 'open'",
    """
    ALTER TABLE reconciliation_break ADD CONSTRAINT ck_reconciliation_break_status
        CHECK (status IN ('open', 'proposed', 'resolved'))
    """,
    "ALTER TABLE reconciliation_break ADD COLUMN owner text NOT NULL DEFAULT ''",
    "ALTER TABLE reconciliation_break ADD COLUMN assigned_at timestamptz",
    "ALTER TABLE reconciliation_break ADD COLUMN action text NOT NULL DEFAULT ''",
    "ALTER TABLE reconciliation_break ADD COLUMN reason text NOT NULL DEFAULT ''",
    "ALTER TABLE reconciliation_break ADD COLUMN proposed_by text NOT NULL DEFAULT ''",
    "ALTER TABLE reconciliation_break ADD COLUMN proposed_at timestamptz",
    "ALTER TABLE reconciliation_break ADD COLUMN resolved_by text NOT NULL DEFAULT ''",
    "ALTER TABLE reconciliation_break ADD COLUMN resolved_at timestamptz",
    "ALTER TABLE reconciliation_break ADD COLUMN suspended numeric(18, 2) NOT NULL DEFAULT 0",
    "ALTER TABLE reconciliation_break ADD COLUMN version integer NOT NULL DEFAULT 1",
    """
    CREATE INDEX ix_reconciliation_break_open ON reconciliation_break (created_at, id)
    WHERE status <> 'resolved'
    """,
)
BREAK_COLUMNS = (
    "on_date", "detail", "fund_code", "status", "owner", "assigned_at", "action", "reason", "proposed_by",
    "proposed_at", "resolved_by", "resolved_at", "suspended", "version",
)  # fmt: skip


def upgrade() -> None:
    """Add them."""
    for group in (RAILS, DOCUMENTS, BREAKS):
        for statement in group:
            op.execute(statement)


def downgrade() -> None:
    """Take them away; breaks of kinds that were unknown before go with them."""
    op.execute("DROP INDEX ix_reconciliation_break_open")
    op.execute("ALTER TABLE reconciliation_break DROP CONSTRAINT ck_reconciliation_break_status")
    op.execute("ALTER TABLE reconciliation_break DROP CONSTRAINT ck_reconciliation_break_kind")
    op.execute(
        "DELETE FROM reconciliation_break WHERE kind IN ('unreadable', 'unknown_credit', 'gap', 'balance', 'totals')"
    )
    for column in BREAK_COLUMNS:
        op.drop_column("reconciliation_break", column)
    op.execute(
        """
        ALTER TABLE reconciliation_break ADD CONSTRAINT ck_reconciliation_break_kind CHECK (kind IN
            ('unknown_reference', 'orphan', 'amount_mismatch', 'currency_mismatch', 'payee_mismatch', 'duplicate',
            'contradiction'))
        """
    )
    op.execute("DROP INDEX ix_statement_line_unexplained")
    for column in ("direction", "problem"):
        op.drop_column("statement_line", column)
    op.drop_table("statement_sequence")
    op.drop_table("statement_part")
    op.execute("ALTER TABLE statement_file DROP CONSTRAINT ck_statement_file_state")
    for column in ("state", "position", "media", "name"):
        op.drop_column("statement_file", column)
    op.execute("ALTER TABLE statement_file ALTER COLUMN bytes TYPE integer")
    op.execute("DROP INDEX ix_batch_sent_on")
    for column in ("sent_on", "waits_for"):
        op.drop_column("batch", column)
    op.drop_table("rail_health")
    op.drop_table("rail_policy")
