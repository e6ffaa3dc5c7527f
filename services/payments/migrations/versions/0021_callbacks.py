"""Callbacks of an operator: kept when they come, applied together a moment later."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE operator_callback (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_operator_callback PRIMARY KEY,
        digest bytea NOT NULL CONSTRAINT uq_operator_callback_digest UNIQUE,
        received_at timestamptz NOT NULL,
        body_encrypted bytea,
        file_id uuid CONSTRAINT fk_operator_callback_file_id_statement_file REFERENCES statement_file (id),
        number integer,
        CONSTRAINT ck_operator_callback_applied CHECK ((body_encrypted IS NULL) = (file_id IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_operator_callback_waiting ON operator_callback (id) WHERE body_encrypted IS NOT NULL",
)


def upgrade() -> None:
    """Create it."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE operator_callback")
