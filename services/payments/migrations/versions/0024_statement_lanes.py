"""Statement lanes: a large document is taken in by several transactions at once, each with a position of its own."""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE statement_lane (
        file_id uuid NOT NULL CONSTRAINT fk_statement_lane_file_id_statement_file REFERENCES statement_file (id),
        lane smallint NOT NULL,
        lanes smallint NOT NULL,
        position integer NOT NULL DEFAULT 0,
        lines integer NOT NULL DEFAULT 0,
        matched integer NOT NULL DEFAULT 0,
        breaks integer NOT NULL DEFAULT 0,
        CONSTRAINT pk_statement_lane PRIMARY KEY (file_id, lane),
        CONSTRAINT ck_statement_lane_lane CHECK (lane >= 0 AND lane < lanes)
    )
    """,
    """
    INSERT INTO statement_lane (file_id, lane, lanes, position, lines, matched, breaks)
    SELECT id, 0, 1, position, lines, matched, breaks FROM statement_file WHERE state = 'applying'
    """,
    "UPDATE statement_file SET lines = 0, matched = 0, breaks = 0 WHERE state = 'applying'",
    "ALTER TABLE statement_file DROP COLUMN position",
)
DOWN = (
    "ALTER TABLE statement_file ADD COLUMN position integer NOT NULL DEFAULT 0",
    # One position cannot say how far several lanes are: such a document must be taken in to its end first.
    """
    DO $$
    BEGIN
        IF EXISTS (SELECT FROM statement_lane WHERE lanes > 1 AND position > 0) THEN
            RAISE EXCEPTION 'a document is half taken in, in several lanes: let the worker finish it, then downgrade';
        END IF;
    END
    $$
    """,
    """
    UPDATE statement_file f SET position = l.position, lines = l.lines, matched = l.matched, breaks = l.breaks
    FROM statement_lane l WHERE l.file_id = f.id AND l.lanes = 1
    """,
    "DROP TABLE statement_lane",
)


def upgrade() -> None:
    """Give each document its lanes."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """One position again.

    Raises:
        DatabaseError: a document is half taken in, in several lanes.
    """
    for statement in DOWN:
        op.execute(statement)
