"""Batches handed to the rails, the documents the rails hand back, their lines, and what could not be reconciled."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE batch (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_batch PRIMARY KEY,
        rail text NOT NULL,
        provider text NOT NULL,
        payment_list_id uuid NOT NULL,
        message_id varchar(35) NOT NULL CONSTRAINT uq_batch_message_id UNIQUE,
        state text NOT NULL DEFAULT 'formed' CONSTRAINT ck_batch_state
            CHECK (state IN ('formed', 'submitting', 'submitted', 'unknown', 'rejected', 'completed')),
        count integer NOT NULL CONSTRAINT ck_batch_count CHECK (count > 0),
        amount numeric(18, 2) NOT NULL,
        currency text NOT NULL,
        execution_on date NOT NULL,
        tries integer NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL,
        polled_at timestamptz,
        reference text NOT NULL DEFAULT '',
        reason_code text NOT NULL DEFAULT '',
        reason text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL,
        submitted_at timestamptz,
        completed_at timestamptz
    )
    """,
    "CREATE INDEX ix_batch_payment_list_id ON batch (payment_list_id, id)",
    "CREATE INDEX ix_batch_due ON batch (next_at) WHERE state IN ('formed', 'submitting', 'unknown')",
    "CREATE INDEX ix_batch_open ON batch (rail, polled_at NULLS FIRST) WHERE state IN ('submitted', 'unknown')",
    """
    ALTER TABLE payment_attempt ADD CONSTRAINT fk_payment_attempt_batch_id_batch
        FOREIGN KEY (batch_id) REFERENCES batch (id)
    """,
    """
    CREATE TABLE statement_file (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_statement_file PRIMARY KEY,
        source text NOT NULL,
        sha256 bytea NOT NULL CONSTRAINT uq_statement_file_sha256 UNIQUE,
        kind text NOT NULL DEFAULT '',
        message_id text,
        original_message_id text NOT NULL DEFAULT '',
        refused text NOT NULL DEFAULT '',
        received_at timestamptz NOT NULL,
        received_by text NOT NULL,
        bytes integer NOT NULL,
        lines integer NOT NULL DEFAULT 0,
        matched integer NOT NULL DEFAULT 0,
        breaks integer NOT NULL DEFAULT 0,
        CONSTRAINT uq_statement_file_message_id UNIQUE (source, kind, message_id)
    )
    """,
    """
    CREATE TABLE statement_line (
        file_id uuid NOT NULL CONSTRAINT fk_statement_line_file_id_statement_file REFERENCES statement_file (id),
        number integer NOT NULL,
        kind text,
        end_to_end_id text NOT NULL,
        amount numeric(23, 5),
        currency text NOT NULL,
        on_date date NOT NULL,
        entry text NOT NULL,
        reason_code text NOT NULL,
        attempt_id uuid,
        verdict text NOT NULL,
        CONSTRAINT pk_statement_line PRIMARY KEY (file_id, number)
    )
    """,
    "CREATE INDEX ix_statement_line_attempt_id ON statement_line (attempt_id) WHERE attempt_id IS NOT NULL",
    """
    CREATE TABLE reconciliation_break (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_reconciliation_break PRIMARY KEY,
        file_id uuid NOT NULL CONSTRAINT fk_reconciliation_break_file_id_statement_file REFERENCES statement_file (id),
        number integer NOT NULL,
        kind text NOT NULL CONSTRAINT ck_reconciliation_break_kind CHECK (kind IN ('unknown_reference', 'orphan',
            'amount_mismatch', 'currency_mismatch', 'payee_mismatch', 'duplicate', 'contradiction')),
        attempt_id uuid,
        end_to_end_id text NOT NULL,
        offered text NOT NULL,
        present_state text NOT NULL DEFAULT '',
        offered_amount numeric(23, 5),
        offered_currency text NOT NULL,
        expected_amount numeric(18, 2),
        expected_currency text,
        created_at timestamptz NOT NULL,
        CONSTRAINT uq_reconciliation_break_line UNIQUE (file_id, number, attempt_id)
    )
    """,
    "CREATE INDEX ix_reconciliation_break_attempt_id ON reconciliation_break (attempt_id)",
)


def upgrade() -> None:
    """Create what rails and reconciliation keep."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE payment_attempt DROP CONSTRAINT fk_payment_attempt_batch_id_batch")
    for table in ("reconciliation_break", "statement_line", "statement_file", "batch"):
        op.drop_table(table)
