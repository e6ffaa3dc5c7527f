"""The life of an enrolment, compact decisions, adjustments, rehearsals, payments as told, appeals and remedies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
STATES = "'waitlisted', 'approved', 'suspended', 'graduated', 'ended'"
CYCLE_COLUMNS = (
    "known_at",
    "payment_number",
    "unconfirmed_rates",
    "comparison",
    "comparison_hash",
    "benefit_amount",
    "arrears_amount",
    "recovery_amount",
)


def upgrade() -> None:
    """Widen what is there, then add what is new."""
    _compact_decisions()
    _compact_entitlements()
    _widen_enrolments()
    _widen_cycles()
    _create_standing()
    _create_adjustments()
    _create_rehearsals()
    _create_heard()


def downgrade() -> None:
    """Remove it again. Decisions and entitlements go back to their first shape, empty: there is no way to fill it."""
    for table in (
        "remedy",
        "appeal",
        "payment_state",
        "rehearsal",
        "adjustment",
        "pending_decision",
        "reassessment",
        "standing",
        "enrolment_change",
    ):
        op.drop_table(table)
    op.execute("TRUNCATE decision, entitlement, enrolment")
    for name in CYCLE_COLUMNS:
        op.drop_column("cycle", name)
    op.drop_constraint("ck_enrolment_state", "enrolment")
    op.create_check_constraint("ck_enrolment_state", "enrolment", "state IN ('approved', 'suspended', 'ended')")
    for name in (
        "household_id",
        "changed_on",
        "changed_by",
        "suspended_until",
        "recertified_on",
        "expected_amount",
        "rank_key",
        "rank",
        "card_valid_until",
        "appeal_hold",
        "ended_for_good",
    ):
        op.drop_column("enrolment", name)
    for name in ("household_id", "unconfirmed"):
        op.drop_column("entitlement", name)
    op.drop_constraint("pk_entitlement", "entitlement")
    op.create_primary_key("pk_entitlement", "entitlement", ["cycle_id", "id"])
    op.create_unique_constraint(
        "uq_entitlement_beneficiary_id_cycle_id_component", "entitlement", ["beneficiary_id", "cycle_id", "component"]
    )
    op.alter_column("entitlement", "lines", type_=JSONB, postgresql_using="lines::jsonb")
    op.drop_column("decision", "household_id")
    op.drop_column("decision", "failed")
    op.add_column("decision", sa.Column("clauses", JSONB, nullable=False))
    op.alter_column("decision", "lines", type_=JSONB, postgresql_using="lines::jsonb")


def _at(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=None if nullable else NOW)


def _compact_decisions() -> None:
    """Text JSON and a list of what failed: a third of the time and of the place of jsonb (ADR 22)."""
    op.add_column("decision", sa.Column("failed", ARRAY(sa.Text), nullable=False, server_default="{}"))
    op.execute(
        "UPDATE decision SET failed = ARRAY(SELECT key FROM jsonb_each(clauses) WHERE value = 'false' ORDER BY key)"
    )
    op.drop_column("decision", "clauses")
    op.alter_column("decision", "lines", type_=sa.JSON, postgresql_using="lines::json")
    op.add_column("decision", sa.Column("household_id", UUID))
    op.execute("UPDATE decision SET household_id = beneficiary_id")
    op.alter_column("decision", "household_id", nullable=False)


def _compact_entitlements() -> None:
    """One key, in the order of beneficiaries: rows arrive in that order, so its pages are filled one after another."""
    op.drop_constraint("pk_entitlement", "entitlement")
    op.drop_constraint("uq_entitlement_beneficiary_id_cycle_id_component", "entitlement")
    op.create_primary_key("pk_entitlement", "entitlement", ["cycle_id", "beneficiary_id", "component"])
    op.alter_column("entitlement", "lines", type_=sa.JSON, postgresql_using="lines::json")
    op.add_column("entitlement", sa.Column("household_id", UUID))
    op.execute("UPDATE entitlement SET household_id = beneficiary_id")
    op.alter_column("entitlement", "household_id", nullable=False)
    op.add_column("entitlement", sa.Column("unconfirmed", sa.Boolean, nullable=False, server_default=sa.false()))


def _widen_enrolments() -> None:
    op.drop_constraint("ck_enrolment_state", "enrolment")
    op.create_check_constraint("ck_enrolment_state", "enrolment", f"state IN ({STATES})")
    for column in (
        sa.Column("household_id", UUID),
        sa.Column("changed_on", sa.Date),
        sa.Column("changed_by", sa.Text),
        sa.Column("suspended_until", sa.Date),
        sa.Column("recertified_on", sa.Date),
        sa.Column("expected_amount", sa.Numeric(18, 2)),
        sa.Column("rank_key", ARRAY(sa.BigInteger)),
        sa.Column("rank", sa.BigInteger),
        sa.Column("card_valid_until", sa.Date),
        sa.Column("appeal_hold", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("ended_for_good", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("enrolment", column)
    op.execute("UPDATE enrolment SET household_id = beneficiary_id")
    op.alter_column("enrolment", "household_id", nullable=False)
    op.create_index("ix_enrolment_household_id", "enrolment", ["household_id"])
    op.create_index(
        "ix_enrolment_waiting", "enrolment", ["programme_code"], postgresql_where=sa.text("state = 'waitlisted'")
    )
    op.create_table(
        "enrolment_change",
        sa.Column("enrolment_id", UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("cause", sa.Text),
        sa.Column("effective_on", sa.Date, nullable=False),
        sa.Column("decision_id", UUID),
        sa.Column("made_by", sa.Text),
        _at("made_at"),
        sa.PrimaryKeyConstraint("enrolment_id", "version", name="pk_enrolment_change"),
    )
    op.execute(
        "CREATE TRIGGER enrolment_change_append_only BEFORE UPDATE OR DELETE ON enrolment_change "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _widen_cycles() -> None:
    op.add_column("cycle", _at("known_at", nullable=True))
    op.add_column("cycle", sa.Column("payment_number", sa.Integer, nullable=False, server_default="1"))
    op.add_column("cycle", sa.Column("unconfirmed_rates", ARRAY(sa.Text), nullable=False, server_default="{}"))
    op.add_column("cycle", sa.Column("comparison", JSONB))
    op.add_column("cycle", sa.Column("comparison_hash", sa.Text))
    for name in ("benefit_amount", "arrears_amount", "recovery_amount"):
        op.add_column("cycle", sa.Column(name, sa.Numeric(18, 2)))


def _create_standing() -> None:
    op.create_table(
        "standing",
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("beneficiary_id", UUID, nullable=False),
        sa.Column("household_id", UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("decision_id", UUID, nullable=False),
        sa.Column("programme_version", sa.Integer, nullable=False),
        sa.Column("qualifies", sa.Boolean, nullable=False),
        sa.Column("failed", ARRAY(sa.Text), nullable=False),
        sa.Column("facts_version", sa.Integer, nullable=False),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("beneficiary_id", "programme_code", name="pk_standing"),
    )
    op.create_table(
        "reassessment",
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("full_on", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("programme_code", name="pk_reassessment"),
    )
    op.create_table(
        "pending_decision",
        sa.Column("cycle_id", UUID, nullable=False),
        sa.Column("beneficiary_id", UUID, nullable=False),
        sa.Column("household_id", UUID, nullable=False),
        sa.Column("decision_id", UUID, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("cycle_id", "beneficiary_id", name="pk_pending_decision"),
    )


def _create_adjustments() -> None:
    op.create_table(
        "adjustment",
        sa.Column("id", UUID, nullable=False, server_default=sa.text("uuidv7()")),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("beneficiary_id", UUID, nullable=False),
        sa.Column("household_id", UUID, nullable=False),
        sa.Column("beneficiary_reference", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("for_cycle_id", UUID, nullable=False),
        sa.Column("for_period", sa.Text, nullable=False),
        sa.Column("cycle_id", UUID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("was_amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("right_amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("facts_version", sa.Integer, nullable=False),
        sa.Column("decision_id", UUID, nullable=False),
        _at("found_at"),
        sa.PrimaryKeyConstraint("id", name="pk_adjustment"),
        sa.UniqueConstraint(
            "cycle_id", "beneficiary_id", "component", "for_cycle_id",
            name="uq_adjustment_cycle_id_beneficiary_id_component_for_cycle_id",
        ),
        sa.CheckConstraint("kind IN ('arrears', 'recovery')", name="ck_adjustment_kind"),
        sa.CheckConstraint("amount > 0", name="ck_adjustment_amount"),
    )  # fmt: skip
    op.create_index("ix_adjustment_for_cycle_id", "adjustment", ["for_cycle_id", "beneficiary_id"])


def _create_rehearsals() -> None:
    op.create_table(
        "rehearsal",
        sa.Column("id", UUID, nullable=False, server_default=sa.text("uuidv7()")),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("baseline_version", sa.Integer),
        sa.Column("request", JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="running"),
        sa.Column("result", JSONB),
        sa.Column("result_hash", sa.Text),
        sa.Column("requested_by", sa.Text, nullable=False),
        _at("requested_at"),
        _at("finished_at", nullable=True),
        sa.Column("approved_by", sa.Text),
        _at("approved_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_rehearsal"),
        sa.CheckConstraint("state IN ('running', 'finished', 'approved')", name="ck_rehearsal_state"),
    )
    op.create_index("ix_rehearsal_programme_code", "rehearsal", ["programme_code", "version"])


def _create_heard() -> None:
    op.create_table(
        "payment_state",
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("cycle_id", UUID, nullable=False),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("beneficiary_id", UUID, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.PrimaryKeyConstraint("payment_id", name="pk_payment_state"),
    )
    op.create_index("ix_payment_state_cycle_id", "payment_state", ["cycle_id", "beneficiary_id", "component"])
    op.create_table(
        "appeal",
        sa.Column("appeal_id", UUID, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("decision_id", UUID, nullable=False),
        sa.Column("programme_code", sa.Text),
        sa.Column("beneficiary_id", UUID, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.PrimaryKeyConstraint("appeal_id", name="pk_appeal"),
    )
    op.create_index("ix_appeal_beneficiary_id", "appeal", ["beneficiary_id"])
    op.create_table(
        "remedy",
        sa.Column("remedy_id", UUID, nullable=False),
        sa.Column("case_id", UUID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason_code", sa.Text, nullable=False),
        sa.Column("result_id", UUID),
        _at("answered_at"),
        sa.PrimaryKeyConstraint("remedy_id", name="pk_remedy"),
    )
