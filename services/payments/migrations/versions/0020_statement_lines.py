"""Statement lines: checked once per statement instead of row by row; the batches that a document touched."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = (
    # A line is of a document, and a document stays: a foreign key would look up and lock the same document for each of
    # ten thousand lines, a third of the time of matching them.
    "ALTER TABLE statement_line DROP CONSTRAINT fk_statement_line_file_id_statement_file",
    """
    CREATE FUNCTION statement_line_check() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM (SELECT DISTINCT file_id FROM new_line) l
                   WHERE NOT EXISTS (SELECT FROM statement_file f WHERE f.id = l.file_id)) THEN
            RAISE EXCEPTION 'a statement line names no document'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'statement_line_file';
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER statement_line_check AFTER INSERT ON statement_line
    REFERENCING NEW TABLE AS new_line FOR EACH STATEMENT EXECUTE FUNCTION statement_line_check()
    """,
    """
    CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON statement_file
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE statement_batch (
        file_id uuid NOT NULL CONSTRAINT fk_statement_batch_file_id_statement_file REFERENCES statement_file (id),
        batch_id uuid NOT NULL CONSTRAINT fk_statement_batch_batch_id_batch REFERENCES batch (id),
        CONSTRAINT pk_statement_batch PRIMARY KEY (file_id, batch_id)
    )
    """,
)
DOWN = (
    "DROP TABLE statement_batch",
    "DROP TRIGGER refuse_change ON statement_file",
    "DROP TRIGGER statement_line_check ON statement_line",
    "DROP FUNCTION statement_line_check()",
    """
    ALTER TABLE statement_line ADD CONSTRAINT fk_statement_line_file_id_statement_file
        FOREIGN KEY (file_id) REFERENCES statement_file (id)
    """,
)


def upgrade() -> None:
    """Change what is checked, and keep the batches touched."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """As it was."""
    for statement in DOWN:
        op.execute(statement)
