"""Cases in depth: levels, referrals, merging, contacts, and sealing by row-level security.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ANSWERED = "state IN ('resolved', 'closed', 'merged')"
_CHILDREN = ("case_step", "case_note", "case_escalation", "case_referral")

_SEAL = (
    "ALTER TABLE grievance_case ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE grievance_case FORCE ROW LEVEL SECURITY",
    "CREATE POLICY seal ON grievance_case USING (NOT sealed OR current_setting('samaki.seal', true) = 'open')",
    "ALTER TABLE sealed_audit_entry ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE sealed_audit_entry FORCE ROW LEVEL SECURITY",
    "CREATE POLICY seal ON sealed_audit_entry USING (current_setting('samaki.seal', true) = 'open')",
    "CREATE TRIGGER sealed_audit_entry_append_only BEFORE UPDATE OR DELETE ON sealed_audit_entry "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


def upgrade() -> None:
    _extend_cases()
    _recreate_notes()
    _create_referrals_and_escalations()
    op.create_table(
        "sealed_audit_entry",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("roles", ARRAY(sa.Text), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("detail", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sealed_audit_entry"),
    )
    op.create_index("ix_sealed_audit_entry_case_id", "sealed_audit_entry", ["case_id"])
    for statement in _SEAL:
        op.execute(statement)
    for table in _CHILDREN:
        seal_child(table)


def downgrade() -> None:
    for table in ("case_step", "case_note"):
        for policy in ("seal_read", "seal_change", "seal_remove", "seal_add"):
            op.execute(sa.text(f'DROP POLICY "{policy}" ON "{table}"'))
        op.execute(sa.text(f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY'))
        op.execute(sa.text(f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY'))
    op.execute("DROP POLICY seal ON grievance_case")
    op.execute("ALTER TABLE grievance_case NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE grievance_case DISABLE ROW LEVEL SECURITY")
    for table in ("sealed_audit_entry", "case_referral", "case_escalation", "case_note"):
        op.drop_table(table)
    _create_counted_notes()
    _shrink_cases()


def seal_child(table: str) -> None:
    """What hangs on a case is seen where the case is seen; it may be written in the statement that makes the case."""
    seen = f'EXISTS (SELECT FROM grievance_case c WHERE c.id = "{table}".case_id)'
    op.execute(sa.text(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY'))
    op.execute(sa.text(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY'))
    op.execute(sa.text(f'CREATE POLICY seal_read ON "{table}" FOR SELECT USING ({seen})'))
    op.execute(sa.text(f'CREATE POLICY seal_change ON "{table}" FOR UPDATE USING ({seen})'))
    op.execute(sa.text(f'CREATE POLICY seal_remove ON "{table}" FOR DELETE USING ({seen})'))
    op.execute(sa.text(f'CREATE POLICY seal_add ON "{table}" FOR INSERT WITH CHECK (true)'))


def _extend_cases() -> None:
    for column in (
        sa.Column("beneficiary_id", sa.Uuid),
        sa.Column("level", sa.Text, nullable=False, server_default="commune"),
        sa.Column("sealed", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("contact_kind", sa.Text),
        sa.Column("contact_encrypted", sa.LargeBinary),
        sa.Column("auto_payment_id", sa.Uuid),
        sa.Column("payment_version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("merged_into", sa.Uuid),
        sa.Column("rating", sa.SmallInteger),
        sa.Column("rated_at", sa.DateTime(timezone=True)),
        sa.Column("answered", sa.Boolean, sa.Computed(_ANSWERED, persisted=True), nullable=False),
        sa.Column("province_code", sa.Text, sa.Computed("left(place_code, 2)", persisted=True)),
        sa.Column("commune_code", sa.Text, sa.Computed("left(place_code, 6)", persisted=True)),
    ):
        op.add_column("grievance_case", column)
    op.alter_column("grievance_case", "level", server_default=None)
    op.alter_column("grievance_case", "description_encrypted", nullable=True)
    op.alter_column("grievance_case", "receipt_hash", nullable=True)
    op.create_unique_constraint("uq_grievance_case_auto_payment_id", "grievance_case", ["auto_payment_id"])
    op.create_foreign_key("fk_grievance_case_merged_into", "grievance_case", "grievance_case", ["merged_into"], ["id"])
    for name, condition in (
        ("merged", "(state = 'merged') = (merged_into IS NOT NULL)"),
        ("contact", "(contact_kind IS NULL) = (contact_encrypted IS NULL)"),
        ("rating", "rating BETWEEN 1 AND 5"),
    ):
        op.create_check_constraint(f"ck_grievance_case_{name}", "grievance_case", condition)
    op.drop_index("ix_grievance_case_due", "grievance_case")
    op.drop_index("ix_grievance_case_place", "grievance_case")
    order = ["answered", "due_on", "id"]
    op.create_index("ix_grievance_case_due", "grievance_case", order)
    op.create_index("ix_grievance_case_province", "grievance_case", ["province_code", *order])
    op.create_index("ix_grievance_case_commune", "grievance_case", ["commune_code", *order])
    assigned = sa.text("assigned_to IS NOT NULL")
    mine = ["assigned_to", *order]
    op.create_index("ix_grievance_case_mine", "grievance_case", mine, postgresql_where=assigned)
    merged = sa.text("merged_into IS NOT NULL")
    op.create_index("ix_grievance_case_merged_into", "grievance_case", ["merged_into"], postgresql_where=merged)
    op.create_index("ix_grievance_case_sealed", "grievance_case", ["due_on", "id"], postgresql_where=sa.text("sealed"))


def _shrink_cases() -> None:
    """Back to the columns of 0001. Fails on cases that 0001 cannot hold: sealed or merged ones, or without words."""
    for name in ("sealed", "merged_into", "commune", "province", "mine", "due"):
        op.drop_index(f"ix_grievance_case_{name}", "grievance_case")
    for name in ("merged", "contact", "rating"):
        op.drop_constraint(f"ck_grievance_case_{name}", "grievance_case")
    for name in (
        "commune_code",
        "province_code",
        "answered",
        "rated_at",
        "rating",
        "merged_into",
        "payment_version",
        "auto_payment_id",
        "contact_encrypted",
        "contact_kind",
        "sealed",
        "level",
        "beneficiary_id",
    ):
        op.drop_column("grievance_case", name)
    op.alter_column("grievance_case", "description_encrypted", nullable=False)
    op.alter_column("grievance_case", "receipt_hash", nullable=False)
    op.create_index("ix_grievance_case_due", "grievance_case", ["due_on", "id"])
    pattern = {"place_code": "text_pattern_ops"}
    op.create_index("ix_grievance_case_place", "grievance_case", ["place_code"], postgresql_ops=pattern)


def _recreate_notes() -> None:
    """Notes get ids that are not counted: gaps in a count would tell of notes in sealed cases."""
    op.drop_table("case_note")
    _create_notes(sa.Column("id", sa.Uuid, nullable=False))


def _create_counted_notes() -> None:
    _create_notes(sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False))


def _create_notes(identity: sa.Column[object]) -> None:
    op.create_table(
        "case_note",
        identity,
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("visibility", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text_encrypted", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_case_note"),
        sa.ForeignKeyConstraint(["case_id"], ["grievance_case.id"], name="fk_case_note_case_id"),
    )
    op.create_index("ix_case_note_case_id", "case_note", ["case_id", "id"])


def _create_referrals_and_escalations() -> None:
    op.create_table(
        "case_referral",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("institution", sa.Text, nullable=False),
        sa.Column("referred_by", sa.Text, nullable=False),
        sa.Column("referred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("returned_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_case_referral"),
        sa.ForeignKeyConstraint(["case_id"], ["grievance_case.id"], name="fk_case_referral_case_id"),
        sa.CheckConstraint("(returned_at IS NULL) = (answer IS NULL)", name="ck_case_referral_returned"),
    )
    op.create_index("ix_case_referral_case_id", "case_referral", ["case_id"])
    pending = sa.text("returned_at IS NULL")
    op.create_index("uq_case_referral_pending", "case_referral", ["case_id"], unique=True, postgresql_where=pending)
    op.create_table(
        "case_escalation",
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("missed", sa.Date, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "level", name="pk_case_escalation"),
        sa.ForeignKeyConstraint(["case_id"], ["grievance_case.id"], name="fk_case_escalation_case_id"),
    )
