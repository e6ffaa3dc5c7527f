"""Who people are: history of every change, identifiers with issuer and validity, work and school, intake, life events,
consent, employers, changed place codes, and what a clerk searches by.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# --- history -------------------------------------------------------------------------------------------------------
# Whoever writes to the register first says who and why (`begin_change`): a row of register_change whose id stands in
# the transaction's setting `samaki.change`. Rows that are inserted carry it; values that are replaced go to fact_change
# by triggers, a statement at a time, whatever code did it. (ADR 14)
_HISTORY = (
    """
    CREATE TABLE register_change (
      id uuid CONSTRAINT pk_register_change PRIMARY KEY DEFAULT uuidv7(),
      seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT uq_register_change_seq UNIQUE,
      kind text NOT NULL,
      source text NOT NULL,
      source_id uuid,
      reason text NOT NULL,
      recorded_by text NOT NULL,
      recorded_at timestamptz NOT NULL,
      effective_on date,
      CONSTRAINT ck_register_change_kind CHECK (kind IN ('registration', 'correction', 'life_change')),
      CONSTRAINT ck_register_change_source CHECK (source ~ '^[a-z][a-z_]*$'),
      CONSTRAINT ck_register_change_life_change CHECK (kind <> 'life_change' OR effective_on IS NOT NULL)
    )
    """,
    """
    CREATE TABLE fact_change (
      id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_fact_change PRIMARY KEY,
      change_id uuid NOT NULL,
      subject_type text NOT NULL,
      subject_id uuid NOT NULL,
      field text NOT NULL,
      before jsonb,
      after jsonb,
      CONSTRAINT ck_fact_change_subject_type CHECK (subject_type IN ('household', 'person', 'membership'))
    )
    """,
    "CREATE INDEX ix_fact_change_subject_id ON fact_change (subject_id, id)",
    "CREATE TRIGGER register_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON register_change "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER fact_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fact_change "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    """
    CREATE FUNCTION current_change() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
    DECLARE named text := current_setting('samaki.change', true);
    BEGIN
      IF coalesce(named, '') = '' THEN
        RAISE EXCEPTION 'say who changes the register and why: begin_change()' USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN named::uuid;
    END $$
    """,
    """
    CREATE FUNCTION record_facts() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE silent text[] := '{version,updated_at,import_hash,phone_hash,change_id,written_in}';
    BEGIN
      INSERT INTO fact_change (change_id, subject_type, subject_id, field, before, after)
      SELECT current_change(), TG_ARGV[0], changed.id, b.key, b.value, changed.after -> b.key
      FROM (
        SELECT o.id, to_jsonb(o) - silent AS before, to_jsonb(n) - silent AS after
        FROM before_rows o JOIN after_rows n ON n.id = o.id
      ) AS changed
      CROSS JOIN LATERAL jsonb_each(changed.before) AS b
      WHERE changed.before <> changed.after AND b.value IS DISTINCT FROM changed.after -> b.key;
      RETURN NULL;
    END $$
    """,
)

_PEOPLE = (
    """
    ALTER TABLE household
      ADD kind text NOT NULL DEFAULT 'family',
      ADD poverty_score numeric(8, 4),
      ADD poverty_source text,
      ADD poverty_cause text,
      ADD representative_person_id uuid,
      ADD shocks jsonb NOT NULL DEFAULT '[]',
      ADD dissolved_on date,
      ADD dissolved_cause text,
      ADD successor_household_id uuid,
      ADD change_id uuid NOT NULL,
      ADD CONSTRAINT ck_household_kind CHECK (kind IN ('family', 'individual', 'institution')),
      ADD CONSTRAINT ck_household_dissolved CHECK ((dissolved_on IS NULL) = (dissolved_cause IS NULL)
        AND dissolved_cause IN ('merged', 'split', 'deceased', 'emigrated', 'error')),
      ADD CONSTRAINT ck_household_poverty_cause CHECK (poverty_cause ~ '^[a-z][a-z0-9_]*$')
    """,
    """
    ALTER TABLE person
      ADD alive boolean NOT NULL DEFAULT true,
      ADD died_on date,
      ADD phone_hash bytea,
      ADD washington_group jsonb,
      ADD disability_card_valid_until date,
      ADD expected_delivery_on date,
      ADD education_level text NOT NULL DEFAULT 'none',
      ADD school_code text,
      ADD employment text NOT NULL DEFAULT 'none',
      ADD employer_id uuid,
      ADD insured boolean NOT NULL DEFAULT false,
      ADD civil_servant boolean NOT NULL DEFAULT false,
      ADD change_id uuid NOT NULL,
      ADD CONSTRAINT ck_person_died_on CHECK (died_on IS NULL OR NOT alive AND died_on >= birth_date),
      ADD CONSTRAINT ck_person_expected_delivery_on CHECK (expected_delivery_on IS NULL OR pregnant),
      ADD CONSTRAINT ck_person_education_level CHECK (
        education_level IN ('none', 'pre_school', 'primary', 'lower_secondary', 'upper_secondary', 'higher')),
      ADD CONSTRAINT ck_person_employment CHECK (employment IN ('none', 'part_time', 'full_time'))
    """,
    "CREATE INDEX ix_person_phone_hash ON person (phone_hash) WHERE phone_hash IS NOT NULL",
    "CREATE INDEX ix_person_employer_id ON person (employer_id) WHERE employer_id IS NOT NULL",
    # A membership that should never have been is void: it stays, and counts nowhere.
    """
    ALTER TABLE membership
      ADD void boolean NOT NULL DEFAULT false,
      ADD change_id uuid NOT NULL,
      ADD CONSTRAINT ck_membership_void CHECK (NOT void OR valid_until IS NOT NULL)
    """,
    "CREATE INDEX ix_membership_person_id_past ON membership (person_id) WHERE valid_until IS NOT NULL",
    # Present and past memberships have an index each: asked through this view, every one is found by both.
    """
    CREATE VIEW every_membership AS
    SELECT id, household_id, person_id, person_ref, relationship, valid_from, valid_until, void, change_id
    FROM membership WHERE valid_until IS NULL
    UNION ALL
    SELECT id, household_id, person_id, person_ref, relationship, valid_from, valid_until, void, change_id
    FROM membership WHERE valid_until IS NOT NULL
    """,
    "CREATE TRIGGER membership_stays BEFORE DELETE ON membership FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    *(
        f"CREATE TRIGGER {table}_facts AFTER UPDATE ON {table} REFERENCING OLD TABLE AS before_rows "
        f"NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION record_facts('{table}')"
        for table in ("household", "person", "membership")
    ),
    "CREATE INDEX ix_household_card_valid_until ON household (card_valid_until) WHERE card_valid_until IS NOT NULL "
    "AND dissolved_on IS NULL",
)

# A default that is asked for when the column is added would be asked for then, and there is no change yet.
_CHANGE_IDS = tuple(
    f"ALTER TABLE {table} ALTER change_id SET DEFAULT current_change()"
    for table in ("household", "person", "membership", "identifier")
)

# A number that is given back stays, withdrawn: who held it and when is history, and it may be given again.
_IDENTIFIERS = (
    "ALTER TABLE identifier DROP CONSTRAINT pk_identifier, DROP CONSTRAINT uq_identifier_owner_id_type, "
    "DROP CONSTRAINT ck_identifier_type",
    """
    ALTER TABLE identifier
      ADD issuer text,
      ADD valid_from date,
      ADD valid_until date,
      ADD withdrawn_at timestamptz,
      ADD change_id uuid NOT NULL,
      ALTER type SET NOT NULL,
      ALTER hash SET NOT NULL,
      ADD CONSTRAINT ck_identifier_type CHECK (
        type IN ('national_id', 'equity_card', 'birth_certificate', 'social_security', 'disability_card')),
      ADD CONSTRAINT ck_identifier_validity CHECK (valid_until >= valid_from)
    """,
    "CREATE UNIQUE INDEX uq_identifier_type_hash_present ON identifier (type, hash) WHERE withdrawn_at IS NULL",
    "CREATE UNIQUE INDEX uq_identifier_owner_id_type_present ON identifier (owner_id, type) WHERE withdrawn_at IS NULL",
    "CREATE INDEX ix_identifier_owner_id_past ON identifier (owner_id) WHERE withdrawn_at IS NOT NULL",
)

_PLACES = (
    # Old codes still resolve: one code may have become several (split), several one (merged).
    """
    CREATE TABLE place_code_change (
      old_code text,
      new_code text CONSTRAINT fk_place_code_change_new_code REFERENCES place,
      kind text NOT NULL,
      effective_on date NOT NULL,
      recorded_by text NOT NULL,
      recorded_at timestamptz NOT NULL,
      CONSTRAINT pk_place_code_change PRIMARY KEY (old_code, new_code),
      CONSTRAINT ck_place_code_change_kind CHECK (kind IN ('split', 'merged', 'renamed')),
      CONSTRAINT ck_place_code_change_codes CHECK (old_code <> new_code AND old_code ~ '^([0-9]{2}){1,4}$'
        AND length(old_code) = length(new_code))
    )
    """,
    "ALTER TABLE place ADD closed_on date",
)

_CONSENT = (
    """
    CREATE TABLE consent (
      id uuid CONSTRAINT pk_consent PRIMARY KEY,
      person_id uuid NOT NULL,
      purpose text NOT NULL,
      scope text NOT NULL,
      given_on date NOT NULL,
      means text NOT NULL,
      recorded_by text NOT NULL,
      recorded_at timestamptz NOT NULL,
      withdrawn_on date,
      withdrawn_by text,
      withdrawn_at timestamptz,
      CONSTRAINT ck_consent_means CHECK (means IN ('signed', 'thumbprint', 'spoken', 'electronic', 'guardian')),
      CONSTRAINT ck_consent_withdrawn CHECK ((withdrawn_on IS NULL) = (withdrawn_by IS NULL)
        AND (withdrawn_on IS NULL) = (withdrawn_at IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX uq_consent_person_id_purpose_scope_present ON consent (person_id, purpose, scope) "
    "WHERE withdrawn_on IS NULL",
    "CREATE INDEX ix_consent_person_id ON consent (person_id)",
)

_EMPLOYERS = (
    """
    CREATE TABLE employer (
      id uuid CONSTRAINT pk_employer PRIMARY KEY,
      reference text NOT NULL CONSTRAINT uq_employer_reference UNIQUE,
      name text NOT NULL,
      registration_hash bytea NOT NULL CONSTRAINT uq_employer_registration_hash UNIQUE,
      registration_cipher bytea NOT NULL,
      sector text NOT NULL,
      place_code text NOT NULL CONSTRAINT fk_employer_place_code REFERENCES place,
      account_subject text,
      closed_on date,
      version integer NOT NULL DEFAULT 1,
      created_at timestamptz NOT NULL,
      CONSTRAINT ck_employer_sector CHECK (sector ~ '^[a-z][a-z0-9_]*$')
    )
    """,
    "CREATE INDEX ix_employer_place_code ON employer (place_code text_pattern_ops)",
    """
    CREATE TABLE insured_worker (
      id uuid CONSTRAINT pk_insured_worker PRIMARY KEY,
      employer_id uuid NOT NULL CONSTRAINT fk_insured_worker_employer_id REFERENCES employer,
      person_id uuid NOT NULL,
      insured_from date NOT NULL,
      insured_until date,
      recorded_by text NOT NULL,
      recorded_at timestamptz NOT NULL,
      CONSTRAINT ck_insured_worker_period CHECK (insured_until >= insured_from)
    )
    """,
    "CREATE UNIQUE INDEX uq_insured_worker_person_id_employer_id_present ON insured_worker (person_id, employer_id) "
    "WHERE insured_until IS NULL",
    "CREATE INDEX ix_insured_worker_employer_id ON insured_worker (employer_id, id)",
)

_INTAKE = (
    """
    CREATE TABLE application (
      id uuid CONSTRAINT pk_application PRIMARY KEY,
      reference text NOT NULL CONSTRAINT uq_application_reference UNIQUE,
      state text NOT NULL,
      purpose text NOT NULL,
      household_id uuid,
      village_code text NOT NULL CONSTRAINT fk_application_village_code REFERENCES place,
      content_cipher bytea,
      questionnaire text,
      answers jsonb,
      score numeric(8, 4),
      level smallint,
      explanation jsonb,
      conflict boolean NOT NULL,
      conflict_reason text NOT NULL DEFAULT '',
      submitted_by text NOT NULL,
      submitted_at timestamptz NOT NULL,
      verified_by text,
      verified_at timestamptz,
      second_verified_by text,
      second_verified_at timestamptz,
      decided_by text,
      decided_at timestamptz,
      reasons jsonb NOT NULL DEFAULT '[]',
      appeal_of uuid CONSTRAINT fk_application_appeal_of REFERENCES application,
      appeal_until date,
      version integer NOT NULL DEFAULT 1,
      CONSTRAINT ck_application_state CHECK (state IN (
        'submitted', 'first_verified', 'verified', 'registered', 'refused', 'appealed')),
      CONSTRAINT ck_application_purpose CHECK (purpose IN ('register', 'reassess', 'delist')),
      CONSTRAINT ck_application_level CHECK (level IN (1, 2)),
      CONSTRAINT ck_application_two_people CHECK (second_verified_by <> verified_by),
      CONSTRAINT ck_application_refused CHECK (state <> 'refused' OR jsonb_array_length(reasons) > 0)
    )
    """,
    "CREATE INDEX ix_application_village_code ON application (village_code text_pattern_ops, id)",
    "CREATE INDEX ix_application_household_id ON application (household_id) WHERE household_id IS NOT NULL",
    "CREATE UNIQUE INDEX uq_application_appeal_of ON application (appeal_of) WHERE appeal_of IS NOT NULL",
)

_LIFE = (
    """
    CREATE TABLE life_event (
      id uuid CONSTRAINT pk_life_event PRIMARY KEY,
      kind text NOT NULL,
      person_id uuid NOT NULL,
      household_id uuid NOT NULL,
      occurred_on date NOT NULL,
      source text NOT NULL,
      feed text,
      feed_id text,
      detail jsonb NOT NULL DEFAULT '{}',
      undo jsonb NOT NULL DEFAULT '{}',
      change_id uuid NOT NULL DEFAULT current_change(),
      recorded_by text NOT NULL,
      recorded_at timestamptz NOT NULL,
      withdrawn_at timestamptz,
      withdrawn_by text,
      withdrawn_cause text,
      version integer NOT NULL DEFAULT 1,
      CONSTRAINT ck_life_event_kind CHECK (
        kind IN ('birth', 'death', 'marriage', 'move', 'pregnancy', 'pregnancy_ended')),
      CONSTRAINT ck_life_event_source CHECK (source IN ('officer', 'civil_registration', 'tablet')),
      CONSTRAINT ck_life_event_feed CHECK ((feed IS NULL) = (feed_id IS NULL)),
      CONSTRAINT ck_life_event_withdrawn CHECK (
        (withdrawn_at IS NULL) = (withdrawn_by IS NULL) AND (withdrawn_at IS NULL) = (withdrawn_cause IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX uq_life_event_feed_feed_id ON life_event (feed, feed_id) WHERE feed IS NOT NULL",
    "CREATE INDEX ix_life_event_person_id ON life_event (person_id, occurred_on)",
    "CREATE INDEX ix_life_event_household_id ON life_event (household_id, occurred_on)",
    # What the feed sent, with what became of each line: a line sent again answers the same.
    """
    CREATE TABLE feed_batch (
      id uuid CONSTRAINT pk_feed_batch PRIMARY KEY,
      job_id uuid,
      feed text NOT NULL,
      received_by text NOT NULL,
      areas text[] NOT NULL,
      received_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE feed_line (
      feed text,
      feed_id text,
      batch_id uuid NOT NULL,
      line integer NOT NULL,
      content_hash bytea NOT NULL,
      content_cipher bytea,
      state text NOT NULL,
      code text NOT NULL DEFAULT '',
      field text NOT NULL DEFAULT '',
      life_event_id uuid,
      CONSTRAINT pk_feed_line PRIMARY KEY (feed, feed_id),
      CONSTRAINT ck_feed_line_state CHECK (state IN ('waiting', 'applied', 'refused'))
    )
    """,
    "CREATE INDEX ix_feed_line_batch_id ON feed_line (batch_id, line)",
    """
    CREATE TABLE remedy (
      remedy_id uuid CONSTRAINT pk_remedy PRIMARY KEY,
      case_id uuid NOT NULL,
      household_id uuid,
      state text NOT NULL,
      reason_code text NOT NULL DEFAULT '',
      corrections jsonb NOT NULL,
      requested_by text NOT NULL,
      received_at timestamptz NOT NULL,
      answered_at timestamptz,
      answered_by text,
      version integer NOT NULL DEFAULT 1,
      CONSTRAINT ck_remedy_state CHECK (state IN ('waiting', 'done', 'refused'))
    )
    """,
    "CREATE INDEX ix_remedy_waiting ON remedy (household_id) WHERE state = 'waiting'",
)

# What names sound like, by place: a clerk's search is a range of one index. A projection: `index_people` rebuilds it.
_SEARCH = (
    """
    CREATE TABLE name_key (
      key text COLLATE "C",
      village_code text COLLATE "C",
      person_id uuid,
      CONSTRAINT pk_name_key PRIMARY KEY (key, village_code, person_id)
    )
    """,
    "CREATE INDEX ix_name_key_person_id ON name_key (person_id)",
    """
    CREATE TABLE search_pending (
      id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_search_pending PRIMARY KEY,
      household_ids uuid[] NOT NULL
    )
    """,
)

_TABLES = (
    *("search_pending", "name_key", "remedy", "feed_line", "feed_batch", "life_event", "application"),
    *("insured_worker", "employer", "consent", "place_code_change"),
)


def upgrade() -> None:
    """Create everything."""
    for statement in (
        *_HISTORY,
        *_PEOPLE,
        *_IDENTIFIERS,
        *_CHANGE_IDS,
        *_PLACES,
        *_CONSENT,
        *_EMPLOYERS,
        *_INTAKE,
        *_LIFE,
        *_SEARCH,
    ):
        op.execute(statement)


def downgrade() -> None:
    """Back to revision 0001; numbers that were given back are forgotten."""
    for table in _TABLES:
        op.execute("DROP TABLE " + table)
    op.execute("ALTER TABLE place DROP closed_on")
    for table in ("household", "person", "membership"):
        op.execute(f"DROP TRIGGER {table}_facts ON {table}")
    op.execute("DROP TRIGGER membership_stays ON membership")
    op.execute("DELETE FROM identifier WHERE withdrawn_at IS NOT NULL OR type NOT IN ('national_id', 'equity_card')")
    op.execute(
        "ALTER TABLE identifier DROP issuer, DROP valid_from, DROP valid_until, DROP withdrawn_at, DROP change_id, "
        "DROP CONSTRAINT ck_identifier_type"
    )
    op.execute(
        "ALTER TABLE identifier ADD CONSTRAINT pk_identifier PRIMARY KEY (type, hash), "
        "ADD CONSTRAINT uq_identifier_owner_id_type UNIQUE (owner_id, type), "
        "ADD CONSTRAINT ck_identifier_type CHECK (type IN ('national_id', 'equity_card'))"
    )
    op.execute("DROP VIEW every_membership")
    op.execute("ALTER TABLE membership DROP void, DROP change_id")
    op.execute("DROP INDEX ix_membership_person_id_past")
    op.execute(
        "ALTER TABLE person DROP alive, DROP died_on, DROP phone_hash, DROP washington_group, "
        "DROP disability_card_valid_until, DROP expected_delivery_on, DROP education_level, DROP school_code, "
        "DROP employment, DROP employer_id, DROP insured, DROP civil_servant, DROP change_id"
    )
    op.execute("DROP INDEX ix_household_card_valid_until")
    op.execute(
        "ALTER TABLE household DROP kind, DROP poverty_score, DROP poverty_source, DROP poverty_cause, "
        "DROP representative_person_id, DROP shocks, DROP dissolved_on, DROP dissolved_cause, "
        "DROP successor_household_id, DROP change_id"
    )
    op.execute("DROP FUNCTION record_facts()")
    op.execute("DROP TABLE fact_change")
    op.execute("DROP TABLE register_change")
    op.execute("DROP FUNCTION current_change()")
