"""Richer facts, identities and life events, confirmations of rates, conditions with their events and waivers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def upgrade() -> None:
    """Add what programmes of every unit need."""
    _widen_facts()
    _create_identities()
    _create_confirmations()
    _create_conditions()
    _create_condition_events()
    _create_waivers()
    op.add_column("decision", sa.Column("unit_id", UUID))


def downgrade() -> None:
    """Remove it again."""
    op.drop_column("decision", "unit_id")
    op.drop_column("programme", "told")
    op.execute("DROP FUNCTION resolved_identity(uuid)")
    for table in (
        "settled_event",
        "service_gap",
        "condition_waiver",
        "employer_account",
        "condition_row",
        "condition_file",
        "condition_event",
        "condition_kind",
        "rate_confirmation",
        "life_event",
        "identity_alias",
    ):
        op.drop_table(table)
    op.drop_index("ix_member_fact_person_id", "member_fact")
    op.drop_index("ix_household_fact_reference", "household_fact")
    for name in (
        "education_level",
        "employment",
        "employer_id",
        "employer_sector",
        "insured",
        "civil_servant",
        "expected_delivery_on",
        "disability_card_valid_until",
    ):
        op.drop_column("member_fact", name)
    for name in ("kind", "shocks", "poverty_cause", "change"):
        op.drop_column("household_fact", name)


def _at(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=None if nullable else NOW)


def _widen_facts() -> None:
    op.add_column("household_fact", sa.Column("kind", sa.Text, nullable=False, server_default="family"))
    op.add_column("household_fact", sa.Column("shocks", JSONB, nullable=False, server_default="[]"))
    op.add_column("household_fact", sa.Column("poverty_cause", sa.Text))
    op.add_column("household_fact", sa.Column("change", sa.Text))
    op.create_index("ix_household_fact_reference", "household_fact", ["reference"])
    for column in (
        sa.Column("education_level", sa.Text, nullable=False, server_default="none"),
        sa.Column("employment", sa.Text, nullable=False, server_default="none"),
        sa.Column("employer_id", UUID),
        sa.Column("employer_sector", sa.Text),
        sa.Column("insured", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("civil_servant", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("expected_delivery_on", sa.Date),
        sa.Column("disability_card_valid_until", sa.Date),
    ):
        op.add_column("member_fact", column)
    op.create_index("ix_member_fact_person_id", "member_fact", ["person_id"])


def _create_identities() -> None:
    op.create_table(
        "identity_alias",
        sa.Column("retired_id", UUID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("surviving_id", UUID, nullable=False),
        sa.Column("merge_id", UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        _at("recorded_at"),
        sa.PrimaryKeyConstraint("retired_id", name="pk_identity_alias"),
        sa.CheckConstraint("kind IN ('person', 'household')", name="ck_identity_alias_kind"),
    )
    op.create_index("ix_identity_alias_surviving_id", "identity_alias", ["surviving_id"])
    op.execute(
        """
        CREATE FUNCTION resolved_identity(wanted uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
          WITH RECURSIVE chain AS (
            SELECT wanted AS id, 0 AS depth
            UNION ALL
            SELECT a.surviving_id, c.depth + 1
            FROM chain c JOIN identity_alias a ON a.retired_id = c.id AND a.active
            WHERE c.depth < 20)
          SELECT id FROM chain ORDER BY depth DESC LIMIT 1
        $$
        """
    )
    op.create_table(
        "life_event",
        sa.Column("id", UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("person_id", UUID, nullable=False),
        sa.Column("household_id", UUID, nullable=False),
        sa.Column("occurred_on", sa.Date),
        sa.Column("mother_person_id", UUID),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        _at("recorded_at"),
        sa.PrimaryKeyConstraint("id", name="pk_life_event"),
    )
    op.create_index("ix_life_event_person_id", "life_event", ["person_id", "kind"])


def _create_confirmations() -> None:
    op.add_column("programme", sa.Column("told", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "rate_confirmation",
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("rate", sa.Text, nullable=False),
        sa.Column("rate_hash", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("confirmed_by", sa.Text, nullable=False),
        _at("confirmed_at"),
        sa.PrimaryKeyConstraint("programme_code", "version", "rate", name="pk_rate_confirmation"),
        sa.ForeignKeyConstraint(
            ["programme_code", "version"],
            ["programme_version.programme_code", "programme_version.version"],
            name="fk_rate_confirmation_version",
        ),
    )


def _create_conditions() -> None:
    op.create_table(
        "condition_kind",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        _at("changed_at"),
        sa.PrimaryKeyConstraint("code", name="pk_condition_kind"),
    )
    op.create_table(
        "condition_file",
        sa.Column("id", UUID, nullable=False),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.Column("roles", JSONB, nullable=False),
        sa.Column("areas", JSONB, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        _at("received_at"),
        sa.PrimaryKeyConstraint("id", name="pk_condition_file"),
    )
    op.create_table(
        "condition_row",
        sa.Column("file_id", UUID, nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("report", JSONB),
        sa.Column("outcome", sa.Text),
        sa.Column("event_id", UUID),
        sa.Column("field", sa.Text),
        sa.Column("code", sa.Text),
        sa.Column("message", sa.Text),
        sa.PrimaryKeyConstraint("file_id", "line", name="pk_condition_row"),
    )


def _create_condition_events() -> None:
    op.create_table(
        "condition_event",
        sa.Column("id", UUID, nullable=False),
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("person_id", UUID, nullable=False),
        sa.Column("subject_id", UUID, nullable=False),
        sa.Column("occurred_on", sa.Date, nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("value", sa.Integer, nullable=False, server_default="0"),
        sa.Column("babies", sa.Integer, nullable=False, server_default="0"),
        sa.Column("notice_days", sa.Integer, nullable=False, server_default="0"),
        sa.Column("episode_days", sa.Integer, nullable=False, server_default="0"),
        sa.Column("facility_code", sa.Text, nullable=False),
        sa.Column("employer_id", UUID),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("recorded_by", sa.Text, nullable=False),
        _at("recorded_at"),
        sa.Column("decided_by", sa.Text),
        _at("decided_at", nullable=True),
        sa.Column("cause", sa.Text),
        _at("withdrawn_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_condition_event"),
        sa.CheckConstraint("state IN ('pending', 'accepted', 'refused', 'withdrawn')", name="ck_condition_event_state"),
    )
    op.create_index(
        "uq_condition_event_report",
        "condition_event",
        ["person_id", "kind", "occurred_on"],
        unique=True,
        postgresql_where=sa.text("state IN ('pending', 'accepted')"),
    )
    op.create_index("ix_condition_event_occurred_on", "condition_event", ["kind", "occurred_on"])
    op.create_index("ix_condition_event_subject_id", "condition_event", ["subject_id", "kind", "seq"])
    op.create_table(
        "settled_event",
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("event_id", UUID, nullable=False),
        sa.Column("cycle_id", UUID, nullable=False),
        sa.PrimaryKeyConstraint("programme_code", "event_id", name="pk_settled_event"),
    )


def _create_waivers() -> None:
    op.create_table(
        "employer_account",
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("employer_id", UUID, nullable=False),
        sa.Column("granted_by", sa.Text, nullable=False),
        _at("granted_at"),
        sa.PrimaryKeyConstraint("subject", "employer_id", name="pk_employer_account"),
    )
    op.create_table(
        "condition_waiver",
        sa.Column("id", UUID, nullable=False),
        sa.Column("person_id", UUID, nullable=False),
        sa.Column("subject_id", UUID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_until", sa.Date, nullable=False),
        sa.Column("reason_code", sa.Text, nullable=False),
        sa.Column("case_id", UUID),
        sa.Column("granted_by", sa.Text, nullable=False),
        _at("granted_at"),
        _at("withdrawn_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_condition_waiver"),
        sa.CheckConstraint("valid_until >= valid_from", name="ck_condition_waiver_dates"),
    )
    op.create_index("ix_condition_waiver_subject_id", "condition_waiver", ["subject_id", "kind"])
    op.create_table(
        "service_gap",
        sa.Column("id", UUID, nullable=False),
        sa.Column("place_code", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_until", sa.Date, nullable=False),
        sa.Column("reason_code", sa.Text, nullable=False),
        sa.Column("granted_by", sa.Text, nullable=False),
        _at("granted_at"),
        _at("withdrawn_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_service_gap"),
        sa.CheckConstraint("valid_until >= valid_from", name="ck_service_gap_dates"),
    )
    op.create_index("ix_service_gap_kind", "service_gap", ["kind", "place_code"])
