"""Which account a beneficiary is paid at for a purpose, whatever records of hers were merged."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# The same order as in a payment list's lines: the survivor's account before those of the records merged into it.
UP = """
    CREATE FUNCTION account_in_force(beneficiary uuid, wanted text) RETURNS uuid LANGUAGE sql STABLE AS $$
        SELECT a.id FROM account a
        WHERE a.purpose = wanted AND a.status = 'active' AND a.beneficiary_id IN (
            SELECT beneficiary UNION ALL
            SELECT o.id FROM identity_member m JOIN identity_member o ON o.canonical_id = m.canonical_id
            WHERE m.id = beneficiary)
        ORDER BY a.beneficiary_id <> COALESCE(
            (SELECT m.canonical_id FROM identity_member m WHERE m.id = beneficiary), beneficiary), a.preference, a.id
        LIMIT 1
    $$
"""


def upgrade() -> None:
    """Create the function."""
    op.execute(UP)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP FUNCTION account_in_force(uuid, text)")
