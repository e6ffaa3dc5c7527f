"""When a programme's newcomers were last looked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A programme that has decisions was opened by an officer on the day of the first one that stands."""
    op.create_table(
        "enrolment_look",
        sa.Column("programme_code", sa.Text, nullable=False),
        sa.Column("opened_on", sa.Date, nullable=False),
        sa.Column("looked_on", sa.Date),
        sa.PrimaryKeyConstraint("programme_code", name="pk_enrolment_look"),
    )
    op.execute(
        "INSERT INTO enrolment_look (programme_code, opened_on) "
        "SELECT programme_code, min(effective_on) FROM enrolment GROUP BY programme_code"
    )


def downgrade() -> None:
    """Remove it again."""
    op.drop_table("enrolment_look")
