"""Cases with history and notes, holds, and what is known of payments.

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

_APPEND_ONLY = (
    "CREATE TRIGGER case_step_append_only BEFORE UPDATE OR DELETE ON case_step "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
)


def upgrade() -> None:
    create_kit_tables(op)
    _create_cases()
    _create_case_record()
    _create_holds()
    _create_payments_view()


def downgrade() -> None:
    for table in ("payment_step", "payment_view", "hold", "case_note", "case_step", "grievance_case"):
        op.drop_table(table)
    drop_kit_tables(op)


def _create_cases() -> None:
    op.create_table(
        "grievance_case",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("subject_type", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Uuid),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("place_code", sa.Text),
        sa.Column("complainant_person_id", sa.Uuid),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("assigned_to", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("description_encrypted", sa.LargeBinary, nullable=False),
        sa.Column("receipt_hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_grievance_case"),
        sa.UniqueConstraint("reference", name="uq_grievance_case_reference"),
        sa.UniqueConstraint("receipt_hash", name="uq_grievance_case_receipt_hash"),
        sa.CheckConstraint("(subject_type = 'none') = (subject_id IS NULL)", name="ck_grievance_case_subject"),
        sa.CheckConstraint(
            "(state IN ('resolved', 'closed')) = (outcome IS NOT NULL)", name="ck_grievance_case_outcome"
        ),
    )
    op.create_index("ix_grievance_case_due", "grievance_case", ["due_on", "id"])
    op.create_index("ix_grievance_case_subject", "grievance_case", ["subject_id"])
    op.create_index(
        "ix_grievance_case_place", "grievance_case", ["place_code"], postgresql_ops={"place_code": "text_pattern_ops"}
    )


def _create_case_record() -> None:
    op.create_table(
        "case_step",
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.PrimaryKeyConstraint("case_id", "version", name="pk_case_step"),
        sa.ForeignKeyConstraint(["case_id"], ["grievance_case.id"], name="fk_case_step_case_id"),
    )
    op.execute(_APPEND_ONLY)
    op.create_table(
        "case_note",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("visibility", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text_encrypted", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_case_note"),
        sa.ForeignKeyConstraint(["case_id"], ["grievance_case.id"], name="fk_case_note_case_id"),
    )
    op.create_index("ix_case_note_case_id", "case_note", ["case_id", "id"])


def _create_holds() -> None:
    op.create_table(
        "hold",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("case_id", sa.Uuid),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("place_code", sa.Text),
        sa.Column("until", sa.Date, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("cause", sa.Text),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
        sa.ForeignKeyConstraint(["case_id"], ["grievance_case.id"], name="fk_hold_case_id"),
        sa.CheckConstraint("(state = 'active') = (cause IS NULL)", name="ck_hold_cause"),
    )
    active = sa.text("state = 'active'")
    op.create_index("uq_hold_active_payment", "hold", ["payment_id"], unique=True, postgresql_where=active)
    op.create_index("ix_hold_until", "hold", ["until"], postgresql_where=active)
    op.create_index("ix_hold_payment_id", "hold", ["payment_id"])
    op.create_index("ix_hold_case_id", "hold", ["case_id"])


def _create_payments_view() -> None:
    op.create_table(
        "payment_view",
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("beneficiary_id", sa.Uuid, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("rail", sa.Text, nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name="pk_payment_view"),
    )
    op.create_table(
        "payment_step",
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("rail", sa.Text, nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("payment_id", "version", name="pk_payment_step"),
    )
