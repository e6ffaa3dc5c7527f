"""Money in depth: fund entries, exchange rates, emergency stops, claims, sanctions, collections, what explains a
payment.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FUNDS = (
    """
    CREATE TABLE fx_rate (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_fx_rate PRIMARY KEY,
        base text NOT NULL,
        quote text NOT NULL,
        valid_from date NOT NULL,
        number integer NOT NULL,
        rate numeric(20, 8) NOT NULL CONSTRAINT ck_fx_rate_rate CHECK (rate > 0),
        rounding text NOT NULL CONSTRAINT ck_fx_rate_rounding CHECK (rounding IN ('half_up', 'half_even', 'down')),
        source text NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_fx_rate_day UNIQUE (base, quote, valid_from, number),
        CONSTRAINT ck_fx_rate_pair CHECK (base <> quote)
    )
    """,
    """
    CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_rate
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE fund_entry (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_fund_entry PRIMARY KEY,
        fund_code text NOT NULL CONSTRAINT fk_fund_entry_fund_code_fund REFERENCES fund (code),
        kind text NOT NULL CONSTRAINT ck_fund_entry_kind
            CHECK (kind IN ('allot', 'release_funds', 'exchange_out', 'exchange_in')),
        amount numeric(18, 2) NOT NULL CONSTRAINT ck_fund_entry_amount CHECK (amount > 0),
        document text NOT NULL,
        on_date date NOT NULL,
        rate_id uuid CONSTRAINT fk_fund_entry_rate_id_fx_rate REFERENCES fx_rate (id),
        counterpart_id uuid,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX ix_fund_entry_fund_code ON fund_entry (fund_code, id)",
    """
    CREATE TABLE emergency_stop (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_emergency_stop PRIMARY KEY,
        scope text NOT NULL CONSTRAINT ck_emergency_stop_scope CHECK (scope IN ('programme', 'rail', 'fund', 'person')),
        target text NOT NULL,
        reason text NOT NULL,
        placed_by text NOT NULL,
        placed_at timestamptz NOT NULL DEFAULT now(),
        released_by text CONSTRAINT ck_emergency_stop_two CHECK (released_by <> placed_by),
        released_at timestamptz,
        release_reason text
    )
    """,
    """
    CREATE UNIQUE INDEX uq_emergency_stop_target ON emergency_stop (scope, target) WHERE released_at IS NULL
    """,
)
RECOVERIES = (
    """
    CREATE TABLE claim (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_claim PRIMARY KEY,
        payment_id uuid NOT NULL,
        beneficiary_id uuid NOT NULL,
        village_code text NOT NULL,
        programme_code text NOT NULL,
        fund_code text NOT NULL CONSTRAINT fk_claim_fund_code_fund REFERENCES fund (code),
        rail text NOT NULL,
        amount numeric(18, 2) NOT NULL,
        recovered numeric(18, 2) NOT NULL DEFAULT 0,
        waived numeric(18, 2) NOT NULL DEFAULT 0,
        currency text NOT NULL,
        monthly_cap_percent integer NOT NULL CONSTRAINT ck_claim_cap CHECK (monthly_cap_percent BETWEEN 1 AND 50),
        status text NOT NULL CONSTRAINT ck_claim_status CHECK (status IN ('proposed', 'open', 'closed', 'waived')),
        reason text NOT NULL,
        created_by text NOT NULL,
        confirmed_by text CONSTRAINT ck_claim_two CHECK (confirmed_by <> created_by),
        created_at timestamptz NOT NULL DEFAULT now(),
        version integer NOT NULL DEFAULT 1,
        CONSTRAINT ck_claim_amount CHECK (amount > 0 AND recovered + waived <= amount
            AND (currency <> 'KHR' OR amount = trunc(amount)))
    )
    """,
    """
    CREATE UNIQUE INDEX uq_claim_beneficiary_id ON claim (beneficiary_id, currency)
    WHERE status IN ('proposed', 'open')
    """,
    """
    CREATE TABLE claim_receipt (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_claim_receipt PRIMARY KEY,
        claim_id uuid NOT NULL CONSTRAINT fk_claim_receipt_claim_id_claim REFERENCES claim (id),
        amount numeric(18, 2) NOT NULL,
        document text NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE claim_deduction (
        claim_id uuid NOT NULL CONSTRAINT fk_claim_deduction_claim_id_claim REFERENCES claim (id),
        payment_id uuid NOT NULL CONSTRAINT pk_claim_deduction PRIMARY KEY,
        amount numeric(18, 2) NOT NULL CONSTRAINT ck_claim_deduction_amount CHECK (amount > 0),
        period text NOT NULL,
        booked boolean NOT NULL DEFAULT false
    )
    """,
    "CREATE INDEX ix_claim_deduction_claim_id ON claim_deduction (claim_id, period)",
)
CHECKS = (
    """
    CREATE TABLE sanction_name (
        name_hash bytea NOT NULL,
        reference text NOT NULL,
        list_number integer NOT NULL,
        CONSTRAINT pk_sanction_name PRIMARY KEY (name_hash, reference)
    )
    """,
    """
    CREATE TABLE sanction_list (
        number integer GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_sanction_list PRIMARY KEY,
        source text NOT NULL,
        sha256 bytea NOT NULL,
        names integer NOT NULL,
        loaded_by text NOT NULL,
        loaded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE death (
        life_event_id uuid CONSTRAINT pk_death PRIMARY KEY,
        person_id uuid NOT NULL,
        household_id uuid NOT NULL,
        living_members integer NOT NULL,
        occurred_on date,
        withdrawn boolean NOT NULL,
        version integer NOT NULL
    )
    """,
    "CREATE INDEX ix_death_person_id ON death (person_id)",
    "CREATE INDEX ix_death_household_id ON death (household_id) WHERE living_members = 0",
    """
    CREATE TABLE dissolved_household (
        household_id uuid CONSTRAINT pk_dissolved_household PRIMARY KEY,
        cause text NOT NULL,
        effective_on date NOT NULL,
        version integer NOT NULL
    )
    """,
)
EXPLANATIONS = (
    """
    CREATE TABLE decision (
        id uuid CONSTRAINT pk_decision PRIMARY KEY,
        programme_code text NOT NULL,
        programme_version integer NOT NULL,
        beneficiary_id uuid NOT NULL,
        beneficiary_reference text NOT NULL,
        village_code text NOT NULL,
        decided_on date NOT NULL,
        eligible boolean NOT NULL,
        failed_clauses text[] NOT NULL,
        facts jsonb NOT NULL,
        facts_hash text NOT NULL,
        decided_by text,
        version integer NOT NULL
    )
    """,
    "CREATE INDEX ix_decision_beneficiary_id ON decision (beneficiary_id, programme_code, decided_on)",
    """
    CREATE TABLE grievance_case (
        id uuid CONSTRAINT pk_grievance_case PRIMARY KEY,
        reference text NOT NULL,
        category text NOT NULL,
        subject_type text NOT NULL,
        subject_id uuid,
        place_code text,
        state text NOT NULL,
        outcome text,
        due_on date,
        version integer NOT NULL
    )
    """,
    "CREATE INDEX ix_grievance_case_subject_id ON grievance_case (subject_id) WHERE subject_id IS NOT NULL",
    """
    CREATE TABLE remedy (
        id uuid CONSTRAINT pk_remedy PRIMARY KEY,
        case_id uuid NOT NULL,
        case_reference text NOT NULL,
        payment_id uuid,
        requested_by text NOT NULL,
        outcome text NOT NULL CONSTRAINT ck_remedy_outcome CHECK (outcome IN ('done', 'refused', 'waiting')),
        reason_code text NOT NULL,
        version integer NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        answered_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX ix_remedy_waiting ON remedy (payment_id) WHERE outcome = 'waiting'",
)
COLLECTIONS = (
    """
    CREATE TABLE contribution (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_contribution PRIMARY KEY,
        fund_code text NOT NULL CONSTRAINT fk_contribution_fund_code_fund REFERENCES fund (code),
        employer_id uuid NOT NULL,
        period text NOT NULL CONSTRAINT ck_contribution_period CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
        due_on date NOT NULL,
        expected numeric(18, 2) NOT NULL CONSTRAINT ck_contribution_expected CHECK (expected >= 0),
        allocated numeric(18, 2) NOT NULL DEFAULT 0,
        currency text NOT NULL,
        revisions integer NOT NULL DEFAULT 1,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        version integer NOT NULL DEFAULT 1,
        CONSTRAINT uq_contribution_month UNIQUE (fund_code, employer_id, period)
    )
    """,
    "CREATE INDEX ix_contribution_due ON contribution (due_on, id) WHERE allocated < expected",
    """
    CREATE TABLE contribution_receipt (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_contribution_receipt PRIMARY KEY,
        number bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT uq_contribution_receipt_number UNIQUE,
        fund_code text NOT NULL CONSTRAINT fk_contribution_receipt_fund_code_fund REFERENCES fund (code),
        employer_id uuid NOT NULL,
        kind text NOT NULL CONSTRAINT ck_contribution_receipt_kind CHECK (kind IN ('receipt', 'refund')),
        amount numeric(18, 2) NOT NULL CONSTRAINT ck_contribution_receipt_amount CHECK (amount > 0),
        currency text NOT NULL,
        received_on date NOT NULL,
        bank_reference text NOT NULL,
        status text NOT NULL DEFAULT 'done' CONSTRAINT ck_contribution_receipt_status
            CHECK (status IN ('proposed', 'done')),
        created_by text NOT NULL,
        approved_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_contribution_receipt_reference UNIQUE (fund_code, kind, bank_reference)
    )
    """,
    """
    CREATE TABLE contribution_allocation (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_contribution_allocation PRIMARY KEY,
        contribution_id uuid NOT NULL CONSTRAINT fk_contribution_allocation_contribution_id_contribution
            REFERENCES contribution (id),
        kind text NOT NULL CONSTRAINT ck_contribution_allocation_kind CHECK (kind IN ('allocate', 'deallocate')),
        amount numeric(18, 2) NOT NULL CONSTRAINT ck_contribution_allocation_amount CHECK (amount > 0),
        on_date date NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX ix_contribution_allocation_contribution_id ON contribution_allocation (contribution_id)",
)
SELF_CHECKS = (
    """
    CREATE TABLE self_check (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_self_check PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        asked_by text NOT NULL,
        differences integer NOT NULL,
        report jsonb NOT NULL
    )
    """,
)
TABLES = (
    "self_check", "contribution_allocation", "contribution_receipt", "contribution", "remedy", "grievance_case",
    "decision", "dissolved_household", "death", "sanction_list", "sanction_name", "claim_deduction",
    "claim_receipt", "claim", "emergency_stop", "fund_entry", "fx_rate",
)  # fmt: skip


def upgrade() -> None:
    """Create what this sitting adds."""
    for group in (FUNDS, RECOVERIES, CHECKS, EXPLANATIONS, COLLECTIONS, SELF_CHECKS):
        for statement in group:
            op.execute(statement)


def downgrade() -> None:
    """Drop it."""
    for table in TABLES:
        op.drop_table(table)
