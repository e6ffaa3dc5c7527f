"""Faster files; tablets wait for writers of the register alone; which version of a household each change made."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_IMPORTS = (
    "ALTER TABLE import_row ADD membership_id uuid NOT NULL DEFAULT uuidv7()",
    # What the optional columns of a file say: facts by their names, and numbers (sealed) with issuer and validity.
    "ALTER TABLE import_row ADD facts jsonb, ADD numbers jsonb",
    "ALTER TABLE household_export ADD optional boolean NOT NULL DEFAULT false",
    # Newcomers who may be known elsewhere: registered and listed, or listed first.
    "ALTER TABLE household_import ADD newcomers text NOT NULL DEFAULT 'register', "
    "ADD CONSTRAINT ck_household_import_newcomers CHECK (newcomers IN ('register', 'hold'))",
    # As in 0001, but a household is looked up once for all who join it.
    """
    CREATE OR REPLACE FUNCTION require_member_exists() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM (SELECT DISTINCT household_id FROM added) a
          WHERE NOT EXISTS (SELECT FROM household h WHERE h.id = a.household_id))
        OR EXISTS (SELECT FROM added a WHERE NOT EXISTS (SELECT FROM person p WHERE p.id = a.person_id)) THEN
        RAISE EXCEPTION 'a membership needs its household and its person' USING ERRCODE = 'foreign_key_violation';
      END IF;
      RETURN NULL;
    END $$
    """,
)


# A transaction that writes households takes a place in the line at its first write, and holds a lock that says "my
# place is behind this one" until it ends. The lock is taken before the place: so whoever reads the last place given,
# and then the locks, knows up to which place every transaction has ended (ADR 19). Other work delays nobody.
_SYNC = (
    "CREATE SEQUENCE sync_place AS bigint CACHE 1",
    """
    CREATE FUNCTION last_sync_place() RETURNS bigint LANGUAGE sql VOLATILE AS $$
      SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM sync_place
    $$""",
    """
    CREATE FUNCTION sync_lock_space() RETURNS bigint LANGUAGE sql STABLE AS $$
      SELECT (hashtext('sync_place:' || current_schema()) & 32767)::bigint << 48
    $$""",
    """
    CREATE FUNCTION take_sync_place() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
    DECLARE taken text := current_setting('samaki.sync_place', true);
    BEGIN
      IF coalesce(taken, '') = '' THEN
        PERFORM pg_advisory_xact_lock_shared(sync_lock_space() | last_sync_place());
        taken := set_config('samaki.sync_place', nextval('sync_place')::text, true);
      END IF;
      RETURN taken::bigint;
    END $$""",
    """
    CREATE FUNCTION settled_sync_place() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
    DECLARE last bigint := last_sync_place();
    BEGIN
      RETURN least(last, (
        SELECT min((classid::bigint << 32 | objid::bigint) & ((1::bigint << 48) - 1)) FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND mode = 'ShareLock'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (classid::bigint << 32 | objid::bigint) >> 48 = sync_lock_space() >> 48));
    END $$""",
    *(
        statement
        for table in ("household", "sync_departure")
        for statement in (
            f"ALTER TABLE {table} ALTER written_in DROP DEFAULT",
            f"ALTER TABLE {table} ALTER written_in TYPE bigint USING written_in::text::bigint",
            f"ALTER TABLE {table} ALTER written_in SET DEFAULT take_sync_place()",
        )
    ),
    "SELECT setval('sync_place', greatest(1, pg_current_xact_id()::text::bigint))",
    """
    CREATE OR REPLACE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.written_in := take_sync_place();
      RETURN NEW;
    END $$
    """,
)

# A tablet's edit that began from an older version stands beside what others changed since, where the two touch
# different facts: this says which changes came after that version.
_VERSIONS = (
    """
    CREATE TABLE household_version (
      household_id uuid,
      version integer,
      change_id uuid NOT NULL,
      CONSTRAINT pk_household_version PRIMARY KEY (household_id, version)
    )
    """,
    """
    CREATE FUNCTION note_versions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO household_version (household_id, version, change_id)
      SELECT n.id, n.version, current_change() FROM after_rows n JOIN before_rows o ON o.id = n.id
      WHERE n.version > o.version;
      RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER household_versions AFTER UPDATE ON household REFERENCING OLD TABLE AS before_rows "
    "NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION note_versions()",
)

# Where the households of a split village live now; '' stands for all others.
_PLACES = (
    """
    CREATE TABLE place_placement (
      old_code text,
      household_ref text,
      new_code text NOT NULL CONSTRAINT fk_place_placement_new_code REFERENCES place,
      CONSTRAINT pk_place_placement PRIMARY KEY (old_code, household_ref)
    )
    """,
)

# Employers' files: the workers by their sealed numbers; what enters newcomers is staged as a household file is.
_WORKERS = (
    """
    CREATE TABLE worker_file (
      id uuid CONSTRAINT pk_worker_file PRIMARY KEY,
      employer_id uuid NOT NULL CONSTRAINT fk_worker_file_employer_id REFERENCES employer,
      job_id uuid NOT NULL,
      insured_from date NOT NULL,
      submitted_by text NOT NULL,
      rows bigint NOT NULL,
      linked bigint NOT NULL DEFAULT 0,
      entered bigint NOT NULL DEFAULT 0,
      unchanged bigint NOT NULL DEFAULT 0,
      rejected bigint NOT NULL DEFAULT 0,
      received_at timestamptz NOT NULL,
      finished_at timestamptz
    )
    """,
    "CREATE INDEX ix_worker_file_employer_id ON worker_file (employer_id, id)",
    """
    CREATE TABLE worker_row (
      file_id uuid,
      line integer,
      national_id_hash bytea,
      consent_means text,
      state text NOT NULL DEFAULT 'waiting',
      CONSTRAINT pk_worker_row PRIMARY KEY (file_id, line),
      CONSTRAINT ck_worker_row_state CHECK (state IN ('waiting', 'linked', 'entered', 'unchanged', 'rejected'))
    )
    """,
)

_UNDO_SYNC = (
    "DROP TABLE worker_row",
    "DROP TABLE worker_file",
    "DROP TABLE place_placement",
    "DROP TRIGGER household_versions ON household",
    "DROP FUNCTION note_versions()",
    "DROP TABLE household_version",
    *(
        statement
        for table in ("household", "sync_departure")
        for statement in (
            f"ALTER TABLE {table} ALTER written_in DROP DEFAULT",
            f"ALTER TABLE {table} ALTER written_in TYPE xid8 USING written_in::text::xid8",
            f"ALTER TABLE {table} ALTER written_in SET DEFAULT pg_current_xact_id()",
        )
    ),
    """
    CREATE OR REPLACE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.written_in := pg_current_xact_id();
      RETURN NEW;
    END $$
    """,
    *(f"DROP FUNCTION {name}()" for name in ("settled_sync_place", "take_sync_place", "sync_lock_space")),
    "DROP FUNCTION last_sync_place()",
    "DROP SEQUENCE sync_place",
)


def upgrade() -> None:
    """Create everything."""
    for statement in (*_IMPORTS, *_SYNC, *_VERSIONS, *_PLACES, *_WORKERS):
        op.execute(statement)


def downgrade() -> None:
    """Back to revision 0003."""
    for statement in _UNDO_SYNC:
        op.execute(statement)
    op.execute("ALTER TABLE household_export DROP optional")
    op.execute("ALTER TABLE household_import DROP newcomers")
    op.execute("ALTER TABLE import_row DROP membership_id, DROP facts, DROP numbers")
