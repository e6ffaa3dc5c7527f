"""Places, households and their members, identifiers, and the staging of household files."""

from __future__ import annotations

from alembic import op

from shared.migrations import create_kit_tables, drop_kit_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_PLACES = (
    """
    CREATE TABLE place (
      code text CONSTRAINT pk_place PRIMARY KEY,
      level text NOT NULL,
      parent_code text CONSTRAINT fk_place_parent_code REFERENCES place,
      name_km text NOT NULL,
      name_en text NOT NULL,
      path text NOT NULL,
      source_code text,
      CONSTRAINT ck_place_level CHECK (level IN ('province', 'district', 'commune', 'village')),
      CONSTRAINT ck_place_code CHECK (code ~ '^([0-9]{2}){1,4}$' AND length(code) = 2 * array_position(
        ARRAY['province', 'district', 'commune', 'village'], level)),
      CONSTRAINT ck_place_under_parent CHECK (
        (level = 'province') = (parent_code IS NULL) AND left(code, -2) = coalesce(parent_code, ''))
    )
    """,
    "CREATE INDEX ix_place_parent_code ON place (parent_code)",
    "CREATE INDEX ix_place_name_en ON place (lower(name_en) text_pattern_ops)",
    "CREATE INDEX ix_place_name_km ON place (name_km text_pattern_ops)",
    # A class holds from its date until the next one of the same village: overlaps and gaps cannot be written.
    """
    CREATE TABLE place_class (
      place_code text CONSTRAINT fk_place_class_place_code REFERENCES place,
      valid_from date,
      location_class text NOT NULL,
      source text NOT NULL,
      CONSTRAINT pk_place_class PRIMARY KEY (place_code, valid_from),
      CONSTRAINT ck_place_class_location_class CHECK (location_class ~ '^[a-z][a-z0-9_]*$'),
      CONSTRAINT ck_place_class_source CHECK (source IN ('rule', 'officer'))
    )
    """,
    """
    CREATE VIEW place_class_period AS
    SELECT place_code, location_class, valid_from,
           (lead(valid_from) OVER (PARTITION BY place_code ORDER BY valid_from)) - 1 AS valid_until
    FROM place_class
    """,
)

_HOUSEHOLDS = (
    """
    CREATE TABLE household (
      id uuid CONSTRAINT pk_household PRIMARY KEY,
      reference text NOT NULL CONSTRAINT uq_household_reference UNIQUE,
      village_code text NOT NULL CONSTRAINT fk_household_village_code REFERENCES place,
      household_ref text NOT NULL,
      location_class text NOT NULL,
      poverty_level smallint,
      card_valid_from date,
      card_valid_until date,
      at_risk boolean NOT NULL DEFAULT false,
      head_person_id uuid,
      effective_on date NOT NULL,
      import_hash bytea,
      version integer NOT NULL DEFAULT 1,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT uq_household_village_code_household_ref UNIQUE (village_code, household_ref),
      CONSTRAINT ck_household_poverty_level CHECK (poverty_level IN (1, 2)),
      CONSTRAINT ck_household_card CHECK (
        (poverty_level IS NULL) = (card_valid_from IS NULL)
        AND (poverty_level IS NULL) = (card_valid_until IS NULL)
        AND card_valid_until >= card_valid_from),
      CONSTRAINT ck_household_at_risk CHECK (NOT (at_risk AND poverty_level IS NOT NULL))
    ) WITH (fillfactor = 90)
    """,
    """
    CREATE TABLE person (
      id uuid CONSTRAINT pk_person PRIMARY KEY,
      name_km text NOT NULL,
      name_en text NOT NULL,
      sex text NOT NULL,
      birth_date date NOT NULL,
      birth_date_precision text NOT NULL,
      disability text NOT NULL,
      living_with_hiv boolean NOT NULL,
      pregnant boolean NOT NULL,
      phone_cipher bytea,
      CONSTRAINT ck_person_name CHECK (name_km <> '' OR name_en <> ''),
      CONSTRAINT ck_person_sex CHECK (sex IN ('female', 'male')),
      CONSTRAINT ck_person_birth_date_precision CHECK (birth_date_precision IN ('day', 'month', 'year')),
      CONSTRAINT ck_person_disability CHECK (disability IN ('none', 'mild', 'medium', 'severe'))
    ) WITH (fillfactor = 90)
    """,
    """
    CREATE TABLE membership (
      id uuid CONSTRAINT pk_membership PRIMARY KEY DEFAULT uuidv7(),
      household_id uuid NOT NULL,
      person_id uuid NOT NULL,
      person_ref text NOT NULL,
      relationship text NOT NULL,
      valid_from date NOT NULL,
      valid_until date,
      CONSTRAINT ck_membership_relationship CHECK (
        relationship IN ('head', 'spouse', 'child', 'parent', 'sibling', 'grandchild', 'other')),
      CONSTRAINT ck_membership_period CHECK (valid_until >= valid_from)
    )
    """,
    # What a foreign key guarantees, once per statement: two of them, asked row by row, cost twice the insert itself.
    # Nobody is deleted from the register and ids never change, so a member's household and person stay there.
    """
    CREATE FUNCTION require_member_exists() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM added a WHERE NOT EXISTS (SELECT FROM household h WHERE h.id = a.household_id))
        OR EXISTS (SELECT FROM added a WHERE NOT EXISTS (SELECT FROM person p WHERE p.id = a.person_id)) THEN
        RAISE EXCEPTION 'a membership needs its household and its person' USING ERRCODE = 'foreign_key_violation';
      END IF;
      RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER membership_of_existing AFTER INSERT ON membership REFERENCING NEW TABLE AS added "
    "FOR EACH STATEMENT EXECUTE FUNCTION require_member_exists()",
    "CREATE TRIGGER membership_keeps_ids BEFORE UPDATE OF household_id, person_id ON membership "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER household_stays BEFORE DELETE OR UPDATE OF id ON household "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER person_stays BEFORE DELETE OR UPDATE OF id ON person "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    # At most one present membership per person, and one present holder of each number within a household.
    "CREATE UNIQUE INDEX uq_membership_person_id_present ON membership (person_id) WHERE valid_until IS NULL",
    "CREATE UNIQUE INDEX uq_membership_household_id_person_ref_present ON membership (household_id, person_ref) "
    "WHERE valid_until IS NULL",
    "CREATE UNIQUE INDEX uq_membership_household_id_head_present ON membership (household_id) "
    "WHERE valid_until IS NULL AND relationship = 'head'",
    # Present members are found by the unique index above; a first load writes no past ones, and nothing here.
    "CREATE INDEX ix_membership_household_id_past ON membership (household_id) WHERE valid_until IS NOT NULL",
    "ALTER TABLE household ALTER id SET STATISTICS 20",
    "ALTER TABLE person ALTER id SET STATISTICS 20",
    "ALTER TABLE membership ALTER household_id SET STATISTICS 20, ALTER person_id SET STATISTICS 20",
    """
    CREATE TABLE identifier (
      type text,
      hash bytea,
      owner_id uuid NOT NULL,
      cipher bytea NOT NULL,
      CONSTRAINT pk_identifier PRIMARY KEY (type, hash),
      CONSTRAINT uq_identifier_owner_id_type UNIQUE (owner_id, type),
      CONSTRAINT ck_identifier_type CHECK (type IN ('national_id', 'equity_card'))
    )
    """,
)

_IMPORTS = (
    """
    CREATE TABLE household_import (
      id uuid CONSTRAINT pk_household_import PRIMARY KEY,
      job_id uuid,
      submitted_by text NOT NULL,
      areas text[] NOT NULL,
      dry_run boolean NOT NULL,
      state text NOT NULL DEFAULT 'received',
      sha256 text NOT NULL,
      bytes bigint NOT NULL,
      rows bigint NOT NULL,
      households bigint,
      registered bigint NOT NULL DEFAULT 0,
      updated bigint NOT NULL DEFAULT 0,
      unchanged bigint NOT NULL DEFAULT 0,
      rejected_households bigint,
      rejected_rows bigint,
      rejections bigint,
      received_at timestamptz NOT NULL,
      finished_at timestamptz,
      CONSTRAINT ck_household_import_state CHECK (state IN ('received', 'validated', 'finished'))
    )
    """,
    # Lines of one household share `seq`, in the order of the file. Each line brings the id that its person gets if she
    # is new: loading then needs no table between staging and the register.
    """
    CREATE TABLE import_row (
      batch_id uuid,
      line integer,
      seq bigint NOT NULL,
      run integer NOT NULL,
      person_id uuid NOT NULL DEFAULT uuidv7(),
      known boolean NOT NULL DEFAULT false,
      household_ref text,
      village_code text,
      poverty_level smallint,
      card_cipher bytea,
      card_hash bytea,
      card_valid_from date,
      card_valid_until date,
      person_ref text,
      name_km text,
      name_en text,
      sex text,
      birth_date date,
      birth_date_precision text,
      relationship text,
      national_id_cipher bytea,
      national_id_hash bytea,
      phone_cipher bytea,
      disability text,
      living_with_hiv boolean,
      pregnant boolean,
      content bytea,
      CONSTRAINT pk_import_row PRIMARY KEY (batch_id, line)
    )
    """,
    "CREATE INDEX ix_import_row_batch_id_seq ON import_row (batch_id, seq)",
    # Read after every upload: a small sample is enough to tell a batch of ten lines from one of a million.
    "ALTER TABLE import_row ALTER batch_id SET STATISTICS 20, ALTER line SET STATISTICS 20, "
    "ALTER seq SET STATISTICS 20, ALTER village_code SET STATISTICS 20, ALTER national_id_hash SET STATISTICS 20",
    """
    CREATE TABLE import_rejection (
      batch_id uuid,
      line integer,
      field text,
      code text,
      household_ref text,
      CONSTRAINT pk_import_rejection PRIMARY KEY (batch_id, line, field, code)
    )
    """,
    # Written once when the file is checked, and once more when the household is loaded: room is left for that.
    """
    CREATE TABLE import_household (
      batch_id uuid,
      seq bigint,
      village_code text NOT NULL,
      household_ref text NOT NULL,
      first_line integer NOT NULL,
      head_line integer,
      rows integer NOT NULL,
      card_hash bytea,
      content_hash bytea,
      cells_differ boolean NOT NULL,
      refs_repeat boolean NOT NULL,
      heads_repeat boolean NOT NULL,
      headless boolean NOT NULL,
      refused boolean NOT NULL DEFAULT false,
      outcome text,
      household_id uuid,
      reference text,
      CONSTRAINT pk_import_household PRIMARY KEY (batch_id, seq),
      CONSTRAINT ck_import_household_outcome CHECK (outcome IN ('registered', 'updated', 'unchanged'))
    ) WITH (fillfactor = 60)
    """,
)

# A household's state has two to five kilobytes: it is written and sent once, so that it is not worth compressing.
_OUTBOX = ("ALTER TABLE outbox SET (toast_tuple_target = 8160)",)

_TABLES = (
    "import_household",
    "import_rejection",
    "import_row",
    "household_import",
    "identifier",
    "membership",
    "person",
    "household",
)


def upgrade() -> None:
    """Create everything."""
    create_kit_tables(op)
    for statement in (*_PLACES, *_HOUSEHOLDS, *_IMPORTS, *_OUTBOX):
        op.execute(statement)


def downgrade() -> None:
    """Drop everything."""
    for table in _TABLES:
        op.execute("DROP TABLE " + table)
    op.execute("DROP VIEW place_class_period")
    op.execute("DROP TABLE place_class")
    op.execute("DROP TABLE place")
    op.execute("DROP FUNCTION require_member_exists()")
    drop_kit_tables(op)
