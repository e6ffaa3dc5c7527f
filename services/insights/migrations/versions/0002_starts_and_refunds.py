"""Why enrolments began; refunds of contributions apart from payments of benefits.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Beginnings that were told before have no cause; those before the last of an enrolment come with a replay."""
    op.create_table(
        "enrolment_start",
        sa.Column("enrolment_id", sa.Uuid, nullable=False),
        sa.Column("effective_on", sa.Date, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("cause", sa.Text),
        sa.PrimaryKeyConstraint("enrolment_id", "effective_on", name="pk_enrolment_start"),
    )
    op.create_index("ix_enrolment_start_programme", "enrolment_start", ["programme_code", "effective_on"])
    op.execute(
        "INSERT INTO enrolment_start (enrolment_id, effective_on, version, programme_code, village_code) "
        "SELECT enrolment_id, effective_on, version, programme_code, village_code FROM enrolment_fact "
        "WHERE state = 'approved'"
    )
    op.create_table(
        "refund_fact",
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.PrimaryKeyConstraint("payment_id", name="pk_refund_fact"),
    )
    op.execute(
        "INSERT INTO refund_fact (payment_id, version, status, period, village_code, amount, currency, reason_code) "
        "SELECT payment_id, version, status, period, village_code, amount, currency, reason_code FROM payment_fact "
        "WHERE programme_code = 'REFUND'"
    )
    op.execute("DELETE FROM payment_fact WHERE programme_code = 'REFUND'")


def downgrade() -> None:
    """Refunds are payments again, of their own id as cycle, as payments tells them; their attempt and rail are lost."""
    op.execute(
        "INSERT INTO payment_fact (payment_id, version, status, period, village_code, amount, currency, reason_code, "
        "attempt, cycle_id, programme_code, component, rail) "
        "SELECT payment_id, version, status, period, village_code, amount, currency, reason_code, "
        "1, payment_id, 'REFUND', 'refund', '' FROM refund_fact"
    )
    op.drop_table("refund_fact")
    op.drop_table("enrolment_start")
