"""What grievance knows of others, and what it does: appeals, remedies, officers, attachments, messages, patterns.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = (
    "receipt_attempt",
    "pattern_case",
    "pattern",
    "notification",
    "attachment_chunk",
    "attachment",
    "officer",
    "remedy",
    "panel_member",
    "appeal",
    "enrolment_view",
    "programme_view",
    "decision_view",
    "identity_alias",
    "household_view",
)


def upgrade() -> None:
    op.add_column("payment_view", sa.Column("account_token", sa.Text))
    op.add_column("payment_view", sa.Column("agent_code", sa.Text))
    op.create_index("ix_payment_view_beneficiary", "payment_view", ["beneficiary_id", "programme_code"])
    _create_people()
    _create_decisions()
    _create_appeals()
    _create_remedies()
    _create_officers()
    _create_attachments()
    _create_notifications()
    _create_patterns()
    _create_receipt_attempts()
    for table in ("remedy", "attachment", "notification", "pattern_case"):
        _seal(table, f'SELECT FROM grievance_case c WHERE c.id = "{table}".case_id')
    _seal("attachment_chunk", "SELECT FROM attachment a WHERE a.id = attachment_chunk.attachment_id")
    op.execute("ALTER TABLE pattern ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE pattern FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY seal ON pattern USING (NOT sealed OR current_setting('samaki.seal', true) = 'open')")


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.drop_index("ix_payment_view_beneficiary", "payment_view")
    op.drop_column("payment_view", "agent_code")
    op.drop_column("payment_view", "account_token")


def _seal(table: str, seen: str) -> None:
    op.execute(sa.text(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY'))
    op.execute(sa.text(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY'))
    op.execute(sa.text(f'CREATE POLICY seal_read ON "{table}" FOR SELECT USING (EXISTS ({seen}))'))
    op.execute(sa.text(f'CREATE POLICY seal_change ON "{table}" FOR UPDATE USING (EXISTS ({seen}))'))
    op.execute(sa.text(f'CREATE POLICY seal_remove ON "{table}" FOR DELETE USING (EXISTS ({seen}))'))
    op.execute(sa.text(f'CREATE POLICY seal_add ON "{table}" FOR INSERT WITH CHECK (true)'))


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _id(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid, nullable=nullable)


def _of_case(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["case_id"], ["grievance_case.id"], name=f"fk_{table}_case_id")


def _create_people() -> None:
    op.create_table(
        "household_view",
        _id("household_id"),
        sa.Column("version", sa.BigInteger, nullable=False),
        _text("village_code", nullable=True),
        sa.Column("member_ids", ARRAY(sa.Uuid), nullable=False),
        sa.PrimaryKeyConstraint("household_id", name="pk_household_view"),
    )
    op.create_index("ix_household_view_member_ids", "household_view", ["member_ids"], postgresql_using="gin")
    op.create_table(
        "identity_alias",
        _id("retired_id"),
        sa.Column("version", sa.BigInteger, nullable=False),
        _id("surviving_id", nullable=True),
        sa.PrimaryKeyConstraint("retired_id", name="pk_identity_alias"),
    )
    op.create_index("ix_identity_alias_surviving_id", "identity_alias", ["surviving_id"])


def _create_decisions() -> None:
    op.create_table(
        "decision_view",
        _id("decision_id"),
        sa.Column("version", sa.BigInteger, nullable=False),
        _text("programme_code"),
        sa.Column("programme_version", sa.Integer, nullable=False),
        _id("beneficiary_id"),
        _text("village_code"),
        sa.Column("decided_on", sa.Date, nullable=False),
        sa.Column("eligible", sa.Boolean, nullable=False),
        sa.Column("failed_clauses", ARRAY(sa.Text), nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        _text("decided_by", nullable=True),
        _instant("told_at"),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decision_view"),
    )
    op.create_index("ix_decision_view_beneficiary", "decision_view", ["beneficiary_id", "programme_code"])
    op.create_table(
        "programme_view",
        _text("programme_code"),
        sa.Column("programme_version", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        _text("name_km"),
        _text("name_en"),
        sa.Column("clauses", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("programme_code", "programme_version", name="pk_programme_view"),
    )
    op.create_table(
        "enrolment_view",
        _id("enrolment_id"),
        sa.Column("version", sa.BigInteger, nullable=False),
        _text("status"),
        _text("programme_code"),
        sa.Column("programme_version", sa.Integer, nullable=False),
        _id("beneficiary_id"),
        _text("village_code"),
        sa.Column("effective_on", sa.Date, nullable=False),
        _text("cause", nullable=True),
        _text("ended_by", nullable=True),
        sa.PrimaryKeyConstraint("enrolment_id", name="pk_enrolment_view"),
    )


def _create_appeals() -> None:
    op.create_table(
        "appeal",
        _id("id"),
        sa.Column("version", sa.BigInteger, nullable=False),
        _id("case_id"),
        _text("kind"),
        _id("decision_id"),
        _id("enrolment_id", nullable=True),
        _text("programme_code"),
        sa.Column("programme_version", sa.Integer, nullable=False),
        _id("beneficiary_id"),
        _text("decided_by", nullable=True),
        _text("effect"),
        _text("state"),
        _text("outcome", nullable=True),
        _instant("lodged_at"),
        _instant("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_appeal"),
        sa.UniqueConstraint("case_id", name="uq_appeal_case_id"),
        _of_case("appeal"),
        sa.CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="ck_appeal_ended"),
    )
    pending = sa.text("outcome IS NULL")
    op.create_index("uq_appeal_pending", "appeal", ["decision_id", "kind"], unique=True, postgresql_where=pending)
    op.create_table(
        "panel_member",
        _id("appeal_id"),
        _text("subject"),
        _text("appointed_by"),
        _instant("appointed_at"),
        _text("vote", nullable=True),
        sa.Column("reason_encrypted", sa.LargeBinary),
        _instant("voted_at", nullable=True),
        sa.PrimaryKeyConstraint("appeal_id", "subject", name="pk_panel_member"),
        sa.ForeignKeyConstraint(["appeal_id"], ["appeal.id"], name="fk_panel_member_appeal_id"),
    )


def _create_remedies() -> None:
    op.create_table(
        "remedy",
        _id("id"),
        _id("case_id"),
        _text("kind"),
        sa.Column("request_encrypted", sa.LargeBinary, nullable=False),
        _text("requested_by"),
        _instant("requested_at"),
        _text("state"),
        sa.Column("answer_version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        _text("reason_code"),
        _text("reason"),
        _id("result_id", nullable=True),
        _instant("answered_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_remedy"),
        _of_case("remedy"),
    )
    op.create_index("ix_remedy_case_id", "remedy", ["case_id"])
    pending = sa.text("state IN ('requested', 'waiting')")
    op.create_index("uq_remedy_pending", "remedy", ["case_id", "kind"], unique=True, postgresql_where=pending)


def _create_officers() -> None:
    op.create_table(
        "officer",
        _text("subject"),
        sa.Column("version", sa.BigInteger, nullable=False),
        _text("level"),
        sa.Column("areas", ARRAY(sa.Text), nullable=False),
        sa.Column("categories", ARRAY(sa.Text), nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("sealed", sa.Boolean, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        _id("person_id", nullable=True),
        sa.PrimaryKeyConstraint("subject", name="pk_officer"),
        sa.CheckConstraint("capacity > 0", name="ck_officer_capacity"),
    )


def _create_attachments() -> None:
    op.create_table(
        "attachment",
        _id("id"),
        _id("case_id"),
        _text("media_type"),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        _text("scan"),
        _text("added_by"),
        _instant("added_at"),
        sa.PrimaryKeyConstraint("id", name="pk_attachment"),
        _of_case("attachment"),
    )
    op.create_index("ix_attachment_case_id", "attachment", ["case_id"])
    op.create_table(
        "attachment_chunk",
        _id("attachment_id"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("data_encrypted", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("attachment_id", "number", name="pk_attachment_chunk"),
        sa.ForeignKeyConstraint(["attachment_id"], ["attachment.id"], name="fk_attachment_chunk_attachment_id"),
    )


def _create_notifications() -> None:
    op.create_table(
        "notification",
        _id("id"),
        _id("case_id"),
        _text("step"),
        _text("level"),
        sa.Column("due_on", sa.Date, nullable=False),
        _text("outcome", nullable=True),
        _text("state"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        _instant("queued_at"),
        _instant("due_at"),
        _instant("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notification"),
        _of_case("notification"),
    )
    queued = sa.text("state = 'queued'")
    op.create_index("ix_notification_due", "notification", ["due_at", "id"], postgresql_where=queued)
    op.create_index("ix_notification_case_id", "notification", ["case_id"])


def _create_patterns() -> None:
    op.create_table(
        "pattern",
        _id("id"),
        sa.Column("version", sa.BigInteger, nullable=False),
        _text("kind"),
        _text("subject"),
        sa.Column("sealed", sa.Boolean, nullable=False),
        sa.Column("cases", sa.Integer, nullable=False),
        _instant("first_at"),
        _instant("last_at"),
        _text("state"),
        _text("decided_by", nullable=True),
        sa.Column("cases_when_decided", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_pattern"),
        sa.UniqueConstraint("kind", "subject", "sealed", name="uq_pattern_kind_subject_sealed"),
    )
    op.create_table(
        "pattern_case",
        _id("pattern_id"),
        _id("case_id"),
        sa.PrimaryKeyConstraint("pattern_id", "case_id", name="pk_pattern_case"),
        sa.ForeignKeyConstraint(["pattern_id"], ["pattern.id"], name="fk_pattern_case_pattern_id"),
        _of_case("pattern_case"),
    )
    op.create_index("ix_pattern_case_case_id", "pattern_case", ["case_id"])


def _create_receipt_attempts() -> None:
    op.create_table(
        "receipt_attempt",
        _text("bucket"),
        _instant("window_start"),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_receipt_attempt"),
    )
    op.create_index("ix_receipt_attempt_window_start", "receipt_attempt", ["window_start"])
