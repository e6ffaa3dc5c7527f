"""The measured projections. A trigger tells at commit that something arrived: the latency measurement listens."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.migrations import create_kit_tables, drop_kit_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_kit_tables(op)
    op.create_table(
        "household",
        sa.Column("household_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("poverty_level", sa.SmallInteger),
        sa.Column("members", JSONB, nullable=False),
    )
    op.create_table(
        "payment",
        sa.Column("payment_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("cycle_id", sa.Uuid, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("settled_on", sa.Date, nullable=False),
    )
    op.execute(
        "CREATE FUNCTION tell_bench() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_notify('bench', ''); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER household_tells AFTER INSERT OR UPDATE ON household"
        " FOR EACH STATEMENT EXECUTE FUNCTION tell_bench()"
    )


def downgrade() -> None:
    op.drop_table("payment")
    op.drop_table("household")
    op.execute("DROP FUNCTION tell_bench()")
    drop_kit_tables(op)
