"""Many at once: what imports repaired and listed, exports, duplicates and merges, and what tablets synchronise."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_IMPORTS = (
    "ALTER TABLE household_import ADD repairs jsonb NOT NULL DEFAULT '{}', ADD candidates bigint",
    "ALTER TABLE import_row ADD phone_hash bytea",
    # The few that are no longer: a file's households are held against these alone.
    "CREATE INDEX ix_household_dissolved ON household (village_code, household_ref) WHERE dissolved_on IS NOT NULL",
)

_EXPORTS = (
    """
    CREATE TABLE household_export (
      id uuid CONSTRAINT pk_household_export PRIMARY KEY,
      job_id uuid,
      requested_by text NOT NULL,
      areas text[] NOT NULL,
      place text,
      purpose text NOT NULL,
      reason text NOT NULL,
      kind text NOT NULL,
      numbers boolean NOT NULL,
      state text NOT NULL DEFAULT 'queued',
      households bigint,
      rows bigint,
      withheld bigint,
      bytes bigint,
      sha256 text,
      requested_at timestamptz NOT NULL,
      ready_at timestamptz,
      expires_at timestamptz,
      downloads integer NOT NULL DEFAULT 0,
      CONSTRAINT ck_household_export_state CHECK (state IN ('queued', 'ready', 'expired'))
    )
    """,
    # Encrypted a piece at a time: on no disk does a list of people lie in clear.
    """
    CREATE TABLE export_piece (
      export_id uuid,
      seq integer,
      sealed bytea NOT NULL,
      CONSTRAINT pk_export_piece PRIMARY KEY (export_id, seq)
    )
    """,
    "ALTER TABLE export_piece ALTER sealed SET STORAGE EXTERNAL",
)

_DUPLICATES = (
    """
    CREATE TABLE duplicate_run (
      id uuid CONSTRAINT pk_duplicate_run PRIMARY KEY,
      job_id uuid,
      requested_by text NOT NULL,
      registered_since timestamptz,
      place text,
      rules text NOT NULL,
      state text NOT NULL DEFAULT 'queued',
      persons bigint,
      compared_with bigint,
      candidates bigint,
      requested_at timestamptz NOT NULL,
      finished_at timestamptz,
      CONSTRAINT ck_duplicate_run_state CHECK (state IN ('queued', 'finished'))
    )
    """,
    """
    CREATE TABLE duplicate_candidate (
      id uuid CONSTRAINT pk_duplicate_candidate PRIMARY KEY DEFAULT uuidv7(),
      kind text NOT NULL,
      left_id uuid NOT NULL,
      right_id uuid NOT NULL,
      left_village text NOT NULL,
      right_village text NOT NULL,
      source text NOT NULL,
      source_id uuid,
      score numeric(6, 5) NOT NULL,
      band text NOT NULL,
      reasons jsonb NOT NULL,
      state text NOT NULL DEFAULT 'open',
      decided_by text,
      decided_at timestamptz,
      merge_id uuid,
      version integer NOT NULL DEFAULT 1,
      found_at timestamptz NOT NULL,
      CONSTRAINT ck_duplicate_candidate_kind CHECK (kind IN ('person', 'household')),
      CONSTRAINT ck_duplicate_candidate_order CHECK (left_id < right_id),
      CONSTRAINT ck_duplicate_candidate_source CHECK (source IN ('import', 'run')),
      CONSTRAINT ck_duplicate_candidate_band CHECK (band IN ('exact', 'likely', 'possible')),
      CONSTRAINT ck_duplicate_candidate_state CHECK (state IN ('open', 'unsure', 'same', 'different')),
      CONSTRAINT ck_duplicate_candidate_decided CHECK ((state = 'open') = (decided_by IS NULL)),
      CONSTRAINT uq_duplicate_candidate_pair UNIQUE (kind, left_id, right_id)
    )
    """,
    "CREATE INDEX ix_duplicate_candidate_waiting ON duplicate_candidate (score DESC, id) "
    "WHERE state IN ('open', 'unsure')",
    "CREATE INDEX ix_duplicate_candidate_right_id ON duplicate_candidate (right_id)",
    "CREATE INDEX ix_duplicate_candidate_source_id ON duplicate_candidate (source_id)",
    """
    CREATE TABLE identity_merge (
      id uuid CONSTRAINT pk_identity_merge PRIMARY KEY,
      kind text NOT NULL,
      retired_id uuid NOT NULL,
      surviving_id uuid NOT NULL,
      part_of uuid CONSTRAINT fk_identity_merge_part_of REFERENCES identity_merge,
      reason text NOT NULL,
      merged_by text NOT NULL,
      merged_at timestamptz NOT NULL,
      undo jsonb NOT NULL,
      undone_by text,
      undone_at timestamptz,
      undone_reason text,
      version integer NOT NULL DEFAULT 1,
      CONSTRAINT ck_identity_merge_kind CHECK (kind IN ('person', 'household')),
      CONSTRAINT ck_identity_merge_two CHECK (retired_id <> surviving_id),
      CONSTRAINT ck_identity_merge_undone CHECK ((undone_by IS NULL) = (undone_at IS NULL))
    )
    """,
    # Nothing is retired twice, so merges never make a circle: a record that was retired survives nothing either.
    "CREATE UNIQUE INDEX uq_identity_merge_retired_id_present ON identity_merge (retired_id) WHERE undone_at IS NULL",
    "CREATE INDEX ix_identity_merge_surviving_id ON identity_merge (surviving_id)",
    "CREATE INDEX ix_identity_merge_part_of ON identity_merge (part_of) WHERE part_of IS NOT NULL",
    "ALTER TABLE person ADD merged_into uuid, ADD CONSTRAINT ck_person_merged_into CHECK (merged_into <> id)",
)

_SYNC = (
    """
    CREATE TABLE sync_operation (
      id uuid CONSTRAINT pk_sync_operation PRIMARY KEY,
      device text NOT NULL,
      subject text NOT NULL,
      request_hash bytea NOT NULL,
      household_id uuid NOT NULL,
      version integer NOT NULL,
      applied_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE sync_household (
      client_id uuid CONSTRAINT pk_sync_household PRIMARY KEY,
      household_id uuid NOT NULL,
      subject text NOT NULL
    )
    """,
    # The transaction that wrote a household last. A reader who takes only those before the oldest one still at work
    # misses nothing, whatever the order in which they commit (ADR 19).
    "ALTER TABLE household ADD written_in xid8 NOT NULL DEFAULT pg_current_xact_id()",
    "CREATE INDEX ix_household_written_in ON household (written_in, id)",
    "CREATE INDEX ix_household_village_code_written_in ON household (village_code text_pattern_ops, written_in, id)",
    """
    CREATE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.written_in := pg_current_xact_id();
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER household_note_writer BEFORE UPDATE ON household FOR EACH ROW EXECUTE FUNCTION note_writer()",
    """
    CREATE TABLE sync_departure (
      household_id uuid NOT NULL,
      village_code text NOT NULL,
      written_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
      CONSTRAINT pk_sync_departure PRIMARY KEY (written_in, household_id, village_code)
    )
    """,
    """
    CREATE FUNCTION note_departures() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO sync_departure (household_id, village_code)
      SELECT o.id, o.village_code FROM departed o JOIN arrived n ON n.id = o.id WHERE n.village_code <> o.village_code
      ON CONFLICT DO NOTHING;
      RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER household_note_departures AFTER UPDATE ON household REFERENCING OLD TABLE AS departed "
    "NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION note_departures()",
)


def upgrade() -> None:
    """Create everything."""
    for statement in (*_IMPORTS, *_EXPORTS, *_DUPLICATES, *_SYNC):
        op.execute(statement)


def downgrade() -> None:
    """Back to revision 0002."""
    op.execute("DROP TRIGGER household_note_departures ON household")
    op.execute("DROP TRIGGER household_note_writer ON household")
    op.execute("DROP FUNCTION note_departures()")
    op.execute("DROP FUNCTION note_writer()")
    op.execute("ALTER TABLE household DROP written_in")
    op.execute("ALTER TABLE person DROP merged_into")
    for table in (
        *("sync_departure", "sync_household", "sync_operation", "identity_merge", "duplicate_candidate"),
        *("duplicate_run", "export_piece", "household_export"),
    ):
        op.execute("DROP TABLE " + table)
    op.execute("DROP INDEX ix_household_dissolved")
    op.execute("ALTER TABLE import_row DROP phone_hash")
    op.execute("ALTER TABLE household_import DROP repairs, DROP candidates")
