"""Why each enrolment takes part; figures of who is left behind, counted once a month and kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CAUSES = (
    "'aged_in', 'birth', 'new_card', 'moved', 'new_rules', 'registered', 'newly_eligible', 'by_officer', "
    "'under_appeal', 'appeal_decided', 'case_remedy'"
)
EDITIONS = ("left_behind_cell", "left_behind_edition")


def upgrade() -> None:
    """What was enrolled before keeps the cause of the daily look where it has one; of the others none is known."""
    op.add_column("enrolment", sa.Column("approved_cause", sa.Text))
    op.execute(
        "UPDATE enrolment SET approved_cause = cause WHERE state IN ('approved', 'waitlisted') AND cause IN "
        "('aged_in', 'birth', 'new_card', 'moved', 'new_rules', 'registered', 'newly_eligible')"
    )
    op.create_check_constraint("ck_enrolment_approved_cause", "enrolment", f"approved_cause IN ({CAUSES})")
    op.create_table(
        "left_behind_edition",
        sa.Column("id", UUID, nullable=False, server_default=sa.text("uuidv7()")),
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("cycle_id", UUID),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("by_person", sa.Boolean, nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_left_behind_edition"),
        sa.UniqueConstraint(
            "programme_code", "kind", "cycle_id", "period",
            name="uq_left_behind_edition_programme_code_kind_cycle_id_period", postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint("kind IN ('not_enrolled', 'blocked', 'not_paid')", name="ck_left_behind_edition_kind"),
        sa.CheckConstraint("(kind = 'not_paid') = (cycle_id IS NOT NULL)", name="ck_left_behind_edition_cycle_id"),
    )  # fmt: skip
    op.create_table(
        "left_behind_cell",
        sa.Column("edition_id", UUID, nullable=False),
        sa.Column("split", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("figure", sa.Integer),
        sa.Column("households", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("edition_id", "split", "place", "reason", "category", name="pk_left_behind_cell"),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["left_behind_edition.id"], name="fk_left_behind_cell_edition_id_left_behind_edition"
        ),
        sa.CheckConstraint("figure % 5 = 0", name="ck_left_behind_cell_figure"),
    )
    op.execute("DELETE FROM payment_state WHERE programme_code = 'REFUND'")  # of no entitlement: never looked at
    for table in EDITIONS:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Remove it again."""
    for table in EDITIONS:
        op.drop_table(table)
    op.drop_column("enrolment", "approved_cause")
