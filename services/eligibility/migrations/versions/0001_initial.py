"""Facts, programmes, decisions, enrolments, cycles and entitlements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

from shared.migrations import create_kit_tables, drop_kit_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def upgrade() -> None:
    """Create everything of this service."""
    create_kit_tables(op)
    _create_facts()
    _create_programmes()
    _create_decisions()
    _create_cycles()
    _freeze_closed_cycles()


def downgrade() -> None:
    """Remove everything of this service."""
    for table in (
        "entitlement",
        "cycle",
        "enrolment",
        "decision",
        "programme_version",
        "programme",
        "member_fact",
        "household_fact",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_frozen_cycle()")
    op.execute("DROP FUNCTION refuse_closed_cycle()")
    drop_kit_tables(op)


def _at(name: str, *, nullable: bool = False) -> sa.Column:
    default = None if nullable else NOW
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _create_facts() -> None:
    op.create_table(
        "household_fact",
        sa.Column("household_id", UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("effective_on", sa.Date, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("location_class", sa.Text, nullable=False),
        sa.Column("poverty_level", sa.SmallInteger, nullable=False),
        sa.Column("card_valid_from", sa.Date),
        sa.Column("card_valid_until", sa.Date),
        sa.Column("at_risk", sa.Boolean, nullable=False),
        sa.Column("dissolved", sa.Boolean, nullable=False),
        sa.Column("facts_hash", sa.LargeBinary, nullable=False),
        _at("recorded_at"),
        sa.PrimaryKeyConstraint("household_id", "version", name="pk_household_fact"),
    )
    op.create_table(
        "member_fact",
        sa.Column("household_id", UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("person_id", UUID, nullable=False),
        sa.Column("birth_date", sa.Date, nullable=False),
        sa.Column("birth_ymd", sa.Integer, nullable=False),
        sa.Column("living_with_hiv", sa.Boolean, nullable=False),
        sa.Column("pregnant", sa.Boolean, nullable=False),
        sa.Column("sex", sa.Text, nullable=False),
        sa.Column("relationship", sa.Text, nullable=False),
        sa.Column("disability", sa.Text, nullable=False),
        sa.Column("birth_date_precision", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("household_id", "version", "person_id", name="pk_member_fact"),
    )


def _create_programmes() -> None:
    op.create_table(
        "programme",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("last_version", sa.Integer, nullable=False),
        _at("created_at"),
        sa.PrimaryKeyConstraint("code", name="pk_programme"),
    )
    op.create_table(
        "programme_version",
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_until", sa.Date),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_hash", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        _at("created_at"),
        sa.Column("published_by", sa.Text),
        _at("published_at", nullable=True),
        sa.PrimaryKeyConstraint("programme_code", "version", name="pk_programme_version"),
        sa.ForeignKeyConstraint(["programme_code"], ["programme.code"], name="fk_programme_version_programme_code"),
        sa.CheckConstraint("state IN ('draft', 'published')", name="ck_programme_version_state"),
    )


def _create_decisions() -> None:
    op.create_table(
        "decision",
        sa.Column("id", UUID, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("programme_version", sa.Integer, nullable=False),
        sa.Column("cycle_id", UUID),
        sa.Column("beneficiary_id", UUID, nullable=False),
        sa.Column("beneficiary_reference", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("facts_version", sa.Integer, nullable=False),
        sa.Column("facts_hash", sa.LargeBinary, nullable=False),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("qualifies", sa.Boolean, nullable=False),
        sa.Column("clauses", JSONB, nullable=False),
        sa.Column("lines", JSONB),
        _at("decided_at"),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
    )
    op.create_index("ix_decision_beneficiary_id", "decision", ["beneficiary_id", "decided_at"])
    op.create_index("ix_decision_cycle_id", "decision", ["cycle_id"], postgresql_where=sa.text("cycle_id IS NOT NULL"))
    op.create_index(
        "ix_decision_enrolment",
        "decision",
        ["programme_code", "programme_version", "on_date"],
        postgresql_where=sa.text("cycle_id IS NULL"),
    )
    op.create_table(
        "enrolment",
        sa.Column("id", UUID, nullable=False, server_default=sa.text("uuidv7()")),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("programme_version", sa.Integer, nullable=False),
        sa.Column("beneficiary_id", UUID, nullable=False),
        sa.Column("beneficiary_reference", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="approved"),
        sa.Column("effective_on", sa.Date, nullable=False),
        sa.Column("ended_on", sa.Date),
        sa.Column("cause", sa.Text),
        sa.Column("decision_id", UUID, nullable=False),
        _at("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_enrolment"),
        sa.UniqueConstraint("beneficiary_id", "programme_code", name="uq_enrolment_beneficiary_id_programme_code"),
        sa.CheckConstraint("state IN ('approved', 'suspended', 'ended')", name="ck_enrolment_state"),
    )
    op.create_index("ix_enrolment_programme_code", "enrolment", ["programme_code", "id"])


def _create_cycles() -> None:
    op.create_table(
        "cycle",
        sa.Column("id", UUID, nullable=False, server_default=sa.text("uuidv7()")),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("programme_version", sa.Integer, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="open"),
        sa.Column("reference_date", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column("window_from", sa.Date, nullable=False),
        sa.Column("window_until", sa.Date, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("funding_line", sa.Text, nullable=False),
        sa.Column("entitlement_count", sa.BigInteger),
        sa.Column("amount", sa.Numeric(18, 2)),
        sa.Column("totals", JSONB),
        sa.Column("content_hash", sa.Text),
        sa.Column("unpriced", sa.BigInteger),
        sa.Column("published_through", UUID),
        sa.Column("published_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("opened_by", sa.Text, nullable=False),
        _at("opened_at"),
        _at("computed_at", nullable=True),
        sa.Column("closed_by", sa.Text),
        _at("closed_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_cycle"),
        sa.UniqueConstraint("programme_code", "period", name="uq_cycle_programme_code_period"),
        sa.ForeignKeyConstraint(["programme_code"], ["programme.code"], name="fk_cycle_programme_code"),
        sa.CheckConstraint("state IN ('open', 'computing', 'computed', 'closing', 'closed')", name="ck_cycle_state"),
    )
    op.create_table(
        "entitlement",
        sa.Column("cycle_id", UUID, nullable=False),
        sa.Column("id", UUID, nullable=False),
        sa.Column("decision_id", UUID, nullable=False),
        sa.Column("beneficiary_id", UUID, nullable=False),
        sa.Column("beneficiary_reference", sa.Text, nullable=False),
        sa.Column("village_code", sa.Text, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric(18, 2), nullable=False),
        sa.Column("lines", JSONB, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("cycle_id", "id", name="pk_entitlement"),
        sa.UniqueConstraint(
            "beneficiary_id", "cycle_id", "component", name="uq_entitlement_beneficiary_id_cycle_id_component"
        ),
        sa.CheckConstraint("amount > 0", name="ck_entitlement_amount"),
    )


def _freeze_closed_cycles() -> None:
    """What is closed stays as it is, whatever program asks: the database refuses."""
    op.execute(
        """
        CREATE FUNCTION refuse_frozen_cycle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (
            SELECT FROM cycle WHERE state IN ('closing', 'closed') AND id IN (SELECT DISTINCT cycle_id FROM changed)
          ) THEN
            RAISE EXCEPTION 'the entitlements of a closed cycle are final' USING ERRCODE = 'restrict_violation';
          END IF;
          RETURN NULL;
        END $$
        """
    )
    for event, rows in (("INSERT", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD")):
        op.execute(
            f"CREATE TRIGGER entitlement_frozen_{event.lower()} AFTER {event} ON entitlement "
            f"REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION refuse_frozen_cycle()"
        )
    op.execute(
        """
        CREATE FUNCTION refuse_closed_cycle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'a closed cycle is final' USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER cycle_final BEFORE UPDATE OR DELETE ON cycle FOR EACH ROW "
        "WHEN (OLD.state = 'closed') EXECUTE FUNCTION refuse_closed_cycle()"
    )
