"""Fact tables.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.migrations import create_kit_tables, drop_kit_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_kit_tables(op)
    _create_people()
    _create_entitlements()
    _create_control_totals()
    _create_payments()
    _create_cases()


def downgrade() -> None:
    for table in (
        "case_fact",
        "payment_fact",
        "payment_list_fact",
        "cycle_fact",
        "entitlement_revocation",
        "entitlement_fact",
        "enrolment_fact",
        "household_fact",
    ):
        op.drop_table(table)
    drop_kit_tables(op)


def _create_people() -> None:
    op.create_table(
        "household_fact",
        sa.Column("household_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text),
        sa.Column("location_class", sa.Text),
        sa.Column("poverty_level", sa.Integer),
        sa.Column("at_risk", sa.Boolean, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("people", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("household_id", name="pk_household_fact"),
    )
    op.create_index(
        "ix_household_fact_village",
        "household_fact",
        ["village_code"],
        postgresql_ops={"village_code": "text_pattern_ops"},
    )
    op.create_table(
        "enrolment_fact",
        sa.Column("enrolment_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("beneficiary_id", sa.Uuid, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("effective_on", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("enrolment_id", name="pk_enrolment_fact"),
    )
    op.create_index("ix_enrolment_fact_programme", "enrolment_fact", ["programme_code", "state"])


def _create_entitlements() -> None:
    op.create_table(
        "entitlement_fact",
        sa.Column("entitlement_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("cycle_id", sa.Uuid, nullable=False),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("beneficiary_id", sa.Uuid, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("entitlement_id", name="pk_entitlement_fact"),
    )
    op.create_index("ix_entitlement_fact_cycle", "entitlement_fact", ["cycle_id"])
    op.create_table(
        "entitlement_revocation",
        sa.Column("entitlement_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("entitlement_id", name="pk_entitlement_revocation"),
    )


def _create_control_totals() -> None:
    for table in ("cycle_fact", "payment_list_fact"):
        op.create_table(
            table,
            sa.Column("cycle_id", sa.Uuid, nullable=False),
            sa.Column("version", sa.BigInteger, nullable=False),
            sa.Column("programme_code", sa.Text, nullable=False),
            sa.Column("period", sa.Text, nullable=False),
            sa.Column("currency", sa.Text, nullable=False),
            sa.Column("count", sa.BigInteger, nullable=False),
            sa.Column("amount", sa.Numeric(18, 2), nullable=False),
            sa.Column("totals", JSONB, nullable=False),
            sa.PrimaryKeyConstraint("cycle_id", name=f"pk_{table}"),
        )


def _create_payments() -> None:
    op.create_table(
        "payment_fact",
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("cycle_id", sa.Uuid, nullable=False),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("rail", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.PrimaryKeyConstraint("payment_id", name="pk_payment_fact"),
    )
    op.create_index("ix_payment_fact_cycle", "payment_fact", ["cycle_id"])


def _create_cases() -> None:
    op.create_table(
        "case_fact",
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("subject_type", sa.Text, nullable=False),
        sa.Column("place_code", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.PrimaryKeyConstraint("case_id", name="pk_case_fact"),
    )
