"""Screening of account holders against the sanctions list, with people who decide on hits; balances that nobody writes.

Balances are kept by the trigger on movements alone: a statement of anybody's own that writes them is refused.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UP = (
    "ALTER TABLE account ADD COLUMN holder_born_encrypted bytea",
    "ALTER TABLE account_import_row ADD COLUMN holder_born_encrypted bytea",
    "DROP TABLE sanction_name",
    """
    CREATE TABLE sanction_entry (
        list_number integer NOT NULL,
        entry_hash bytea NOT NULL,
        reference text NOT NULL,
        entry_encrypted bytea NOT NULL,
        CONSTRAINT pk_sanction_entry PRIMARY KEY (entry_hash)
    )
    """,
    """
    CREATE TABLE sanction_screen (
        account_id uuid CONSTRAINT pk_sanction_screen PRIMARY KEY,
        account_version integer NOT NULL,
        list_number integer NOT NULL
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE sanction_hit (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_sanction_hit PRIMARY KEY,
        account_id uuid NOT NULL,
        entry_hash bytea NOT NULL,
        account_version integer NOT NULL,
        person_hash bytea NOT NULL,
        beneficiary_id uuid NOT NULL,
        village_code text NOT NULL,
        reference text NOT NULL,
        score numeric(4, 3) NOT NULL,
        reasons text[] NOT NULL,
        list_number integer NOT NULL,
        in_force boolean NOT NULL DEFAULT true,
        status text NOT NULL DEFAULT 'open' CONSTRAINT ck_sanction_hit_status
            CHECK (status IN ('open', 'clearing', 'cleared', 'upheld')),
        proposed_by text,
        reason text,
        decided_by text CONSTRAINT ck_sanction_hit_two CHECK (status <> 'cleared' OR decided_by <> proposed_by),
        decided_at timestamptz,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_sanction_hit_pair UNIQUE (account_id, entry_hash)
    )
    """,
    "CREATE INDEX ix_sanction_hit_beneficiary_id ON sanction_hit (beneficiary_id, person_hash)",
    "CREATE INDEX ix_sanction_hit_open ON sanction_hit (id) WHERE in_force AND status IN ('open', 'clearing')",
    """
    CREATE TRIGGER refuse_direct BEFORE INSERT OR UPDATE ON journal_balance
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_day
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)
DOWN = (
    "DROP TRIGGER refuse_change ON ledger_day",
    "DROP TRIGGER refuse_direct ON journal_balance",
    "DROP TABLE sanction_hit",
    "DROP TABLE sanction_screen",
    "DROP TABLE sanction_entry",
    """
    CREATE TABLE sanction_name (
        name_hash bytea NOT NULL,
        reference text NOT NULL,
        list_number integer NOT NULL,
        CONSTRAINT pk_sanction_name PRIMARY KEY (name_hash, reference)
    )
    """,
    "ALTER TABLE account_import_row DROP COLUMN holder_born_encrypted",
    "ALTER TABLE account DROP COLUMN holder_born_encrypted",
)


def upgrade() -> None:
    """Create what this revision adds."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop it. Hashes of names cannot be made again here: the list is to be loaded again."""
    for statement in DOWN:
        op.execute(statement)
