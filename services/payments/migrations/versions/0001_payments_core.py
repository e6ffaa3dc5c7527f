"""Accounts, funds, ledger, entitlement projections, payment lists, payments and their attempts.

Money is NUMERIC(18,2) with its currency; a fraction of a riel cannot be stored. A movement holds both its postings, the
debited and the credited account, in one row: it balances by construction (ADR 0027). Its accounts, journal and currency
are checked once per statement over the transition table, and the balances that books are read from are kept by the same
trigger; movements and journals are never updated or deleted.
"""

from __future__ import annotations

from alembic import op

from shared.migrations import create_kit_tables, drop_kit_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PROJECTIONS = (
    """
    CREATE TABLE enrolment (
        id uuid CONSTRAINT pk_enrolment PRIMARY KEY,
        programme_code text NOT NULL,
        beneficiary_id uuid NOT NULL,
        beneficiary_reference text NOT NULL,
        village_code text NOT NULL,
        effective_on date NOT NULL,
        status text NOT NULL CONSTRAINT ck_enrolment_status CHECK (status IN ('approved', 'suspended', 'ended',
            'waitlisted')),
        cause text,
        version integer NOT NULL
    )
    """,
    "CREATE INDEX ix_enrolment_beneficiary_id ON enrolment (beneficiary_id)",
    """
    CREATE TABLE entitlement (
        id uuid CONSTRAINT pk_entitlement PRIMARY KEY,
        payment_id uuid NOT NULL CONSTRAINT uq_entitlement_payment_id UNIQUE,
        cycle_id uuid NOT NULL,
        programme_code text NOT NULL,
        programme_version integer NOT NULL,
        period text NOT NULL,
        beneficiary_id uuid NOT NULL,
        beneficiary_reference text NOT NULL,
        village_code text NOT NULL,
        component text NOT NULL,
        amount numeric(18, 2) NOT NULL,
        currency text NOT NULL,
        lines jsonb NOT NULL,
        lines_agree boolean NOT NULL,
        unconfirmed boolean NOT NULL DEFAULT false,
        decision_id uuid NOT NULL,
        revoked_cause text,
        version integer NOT NULL,
        CONSTRAINT ck_entitlement_amount CHECK (amount >= 0 AND (currency <> 'KHR' OR amount = trunc(amount)))
    )
    """,
    "CREATE INDEX ix_entitlement_cycle_id ON entitlement (cycle_id, payment_id)",
    "CREATE INDEX ix_entitlement_beneficiary_id ON entitlement (beneficiary_id)",
    """
    CREATE TABLE cycle (
        id uuid CONSTRAINT pk_cycle PRIMARY KEY,
        programme_code text NOT NULL,
        programme_version integer NOT NULL,
        period text NOT NULL,
        reference_date date NOT NULL,
        payment_window_from date NOT NULL,
        payment_window_until date NOT NULL,
        funding_line text NOT NULL,
        currency text NOT NULL,
        count integer NOT NULL,
        amount numeric(18, 2) NOT NULL,
        totals jsonb NOT NULL,
        content_hash text NOT NULL,
        closed_by text NOT NULL,
        version integer NOT NULL
    )
    """,
    """
    CREATE TABLE hold (
        id uuid CONSTRAINT pk_hold PRIMARY KEY,
        payment_id uuid NOT NULL,
        case_id uuid,
        reason text NOT NULL,
        owner text NOT NULL,
        until date,
        released boolean NOT NULL,
        cause text,
        version integer NOT NULL
    )
    """,
    "CREATE INDEX ix_hold_payment_id ON hold (payment_id)",
)

ACCOUNTS = (
    """
    CREATE TABLE account (
        id uuid DEFAULT uuidv7() CONSTRAINT pk_account PRIMARY KEY,
        beneficiary_id uuid NOT NULL,
        rail text NOT NULL,
        provider text NOT NULL,
        number_encrypted bytea NOT NULL,
        number_hash bytea NOT NULL,
        holder_name_encrypted bytea NOT NULL,
        token uuid NOT NULL GENERATED ALWAYS AS (
            CAST(encode(substr(sha256(CAST('account-token' AS bytea) || number_hash), 1, 16), 'hex') AS uuid)) STORED,
        holder_name_hash bytea,
        purpose text NOT NULL,
        preference integer NOT NULL DEFAULT 1 CONSTRAINT ck_account_preference CHECK (preference BETWEEN 1 AND 9),
        status text NOT NULL CONSTRAINT ck_account_status CHECK (status IN ('active', 'closed')),
        village_code text NOT NULL,
        version integer NOT NULL DEFAULT 1,
        usable_from timestamptz,
        changed_by text NOT NULL DEFAULT '',
        confirmed_by text,
        validation text NOT NULL DEFAULT 'unknown' CONSTRAINT ck_account_validation
            CHECK (validation IN ('unknown', 'matched', 'partial', 'mismatched', 'not_found', 'unsupported')),
        verified_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE UNIQUE INDEX uq_account_beneficiary_id_purpose ON account (beneficiary_id, purpose, preference)
    WHERE status = 'active'
    """,
    "CREATE INDEX ix_account_number_hash ON account (number_hash)",
    """
    CREATE TABLE account_history (
        account_id uuid NOT NULL CONSTRAINT fk_account_history_account_id_account REFERENCES account (id),
        version integer NOT NULL,
        rail text NOT NULL,
        provider text NOT NULL,
        number_encrypted bytea NOT NULL,
        number_hash bytea NOT NULL,
        holder_name_encrypted bytea NOT NULL,
        status text NOT NULL,
        changed_by text NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now(),
        reason text NOT NULL,
        proof_kind text,
        proof_reference_encrypted bytea,
        CONSTRAINT pk_account_history PRIMARY KEY (account_id, version)
    )
    """,
    """
    CREATE TABLE account_import (
        id uuid CONSTRAINT pk_account_import PRIMARY KEY,
        created_by text NOT NULL,
        areas text[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        total integer NOT NULL,
        applied_line integer,
        accepted integer NOT NULL DEFAULT 0,
        unchanged integer NOT NULL DEFAULT 0,
        rejected integer NOT NULL DEFAULT 0,
        flagged integer NOT NULL DEFAULT 0,
        finished_at timestamptz
    )
    """,
    """
    CREATE TABLE account_import_row (
        import_id uuid NOT NULL CONSTRAINT fk_account_import_row_import_id_account_import
            REFERENCES account_import (id) ON DELETE CASCADE,
        line integer NOT NULL,
        beneficiary_id uuid,
        rail text,
        provider text,
        number_encrypted bytea,
        number_hash bytea,
        holder_name_encrypted bytea,
        holder_name_hash bytea,
        purpose text,
        village_code text,
        CONSTRAINT pk_account_import_row PRIMARY KEY (import_id, line)
    )
    """,
    """
    CREATE TABLE account_import_finding (
        import_id uuid NOT NULL CONSTRAINT fk_account_import_finding_import_id_account_import
            REFERENCES account_import (id) ON DELETE CASCADE,
        line integer NOT NULL,
        field text NOT NULL,
        code text NOT NULL,
        message text NOT NULL,
        severity text NOT NULL CONSTRAINT ck_account_import_finding_severity CHECK (severity IN ('error', 'warning')),
        CONSTRAINT pk_account_import_finding PRIMARY KEY (import_id, line, field, code)
    )
    """,
)

LEDGER = (
    """
    CREATE TABLE fund (
        code text CONSTRAINT pk_fund PRIMARY KEY,
        currency text NOT NULL,
        programme_lines text[] NOT NULL,
        allotment numeric(18, 2) NOT NULL DEFAULT 0,
        source text NOT NULL DEFAULT 'state_budget',
        priority integer NOT NULL DEFAULT 1,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        version integer NOT NULL DEFAULT 1,
        CONSTRAINT ck_fund_priority CHECK (priority > 0)
    )
    """,
    """
    CREATE TABLE ledger_account (
        id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_ledger_account PRIMARY KEY,
        fund_code text NOT NULL CONSTRAINT fk_ledger_account_fund_code_fund REFERENCES fund (code),
        programme_code text NOT NULL,
        type text NOT NULL,
        rail text NOT NULL,
        party text NOT NULL DEFAULT '',
        currency text NOT NULL,
        CONSTRAINT uq_ledger_account_key UNIQUE (fund_code, programme_code, type, rail, party, currency)
    )
    """,
    """
    CREATE TABLE journal (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_journal PRIMARY KEY,
        recorded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX ix_journal_recorded_at ON journal (recorded_at)",
    """
    CREATE TABLE movement (
        journal_id bigint NOT NULL,
        subject_id uuid NOT NULL,
        kind text NOT NULL,
        number integer NOT NULL DEFAULT 0,
        effective_on date NOT NULL,
        debit_account_id integer NOT NULL,
        credit_account_id integer NOT NULL,
        amount numeric(18, 2) NOT NULL,
        currency text NOT NULL,
        CONSTRAINT pk_movement PRIMARY KEY (subject_id, kind, number),
        CONSTRAINT ck_movement_accounts CHECK (debit_account_id <> credit_account_id),
        CONSTRAINT ck_movement_amount CHECK (amount > 0 AND (currency <> 'KHR' OR amount = trunc(amount)))
    )
    """,
    "CREATE INDEX ix_movement_journal_id ON movement (journal_id)",
    """
    CREATE TABLE journal_balance (
        ledger_account_id integer NOT NULL,
        journal_id bigint NOT NULL,
        debit numeric(20, 2) NOT NULL,
        credit numeric(20, 2) NOT NULL,
        movements integer NOT NULL,
        CONSTRAINT pk_journal_balance PRIMARY KEY (ledger_account_id, journal_id)
    )
    """,
    "CREATE INDEX ix_journal_balance_journal_id ON journal_balance (journal_id)",
    """
    CREATE TABLE ledger_day (
        day date NOT NULL,
        ledger_account_id integer NOT NULL,
        debit numeric(20, 2) NOT NULL,
        credit numeric(20, 2) NOT NULL,
        movements bigint NOT NULL,
        CONSTRAINT pk_ledger_day PRIMARY KEY (day, ledger_account_id)
    )
    """,
    """
    CREATE TABLE ledger_closed_day (
        day date CONSTRAINT pk_ledger_closed_day PRIMARY KEY,
        closed_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE FUNCTION journal_check() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM new_journal j WHERE CAST(j.recorded_at AT TIME ZONE 'UTC' AS date)
                   <= (SELECT max(day) FROM ledger_closed_day)) THEN
            RAISE EXCEPTION 'this day of the books is closed'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_day_open';
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER journal_check AFTER INSERT ON journal
    REFERENCING NEW TABLE AS new_journal FOR EACH STATEMENT EXECUTE FUNCTION journal_check()
    """,
    """
    CREATE FUNCTION movement_check() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        wrong bigint;
    BEGIN
        WITH pair AS MATERIALIZED (
            SELECT journal_id, debit_account_id, credit_account_id, currency, sum(amount) AS amount, count(*) AS n
            FROM new_movement GROUP BY journal_id, debit_account_id, credit_account_id, currency
        ), leg AS (
            SELECT debit_account_id AS ledger_account_id, journal_id, amount AS debit, 0 AS credit, n FROM pair
            UNION ALL
            SELECT credit_account_id, journal_id, 0, amount, n FROM pair
        ), kept AS (
            INSERT INTO journal_balance (ledger_account_id, journal_id, debit, credit, movements)
            SELECT ledger_account_id, journal_id, sum(debit), sum(credit), sum(n) FROM leg
            GROUP BY ledger_account_id, journal_id ORDER BY ledger_account_id, journal_id
            ON CONFLICT (ledger_account_id, journal_id) DO UPDATE
                SET debit = journal_balance.debit + excluded.debit,
                    credit = journal_balance.credit + excluded.credit,
                    movements = journal_balance.movements + excluded.movements
        )
        SELECT count(*) INTO wrong FROM pair p
        LEFT JOIN ledger_account d ON d.id = p.debit_account_id AND d.currency = p.currency
        LEFT JOIN ledger_account c ON c.id = p.credit_account_id AND c.currency = p.currency
        LEFT JOIN journal j ON j.id = p.journal_id
        WHERE d.id IS NULL OR c.id IS NULL OR j.id IS NULL;
        IF wrong > 0 THEN
            RAISE EXCEPTION 'a movement names no journal, or no account of its currency'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'movement_account';
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER movement_check AFTER INSERT ON movement
    REFERENCING NEW TABLE AS new_movement FOR EACH STATEMENT EXECUTE FUNCTION movement_check()
    """,
    """
    CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON movement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON journal_balance
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE VIEW ledger_transaction AS
    SELECT concat_ws(':', m.kind, m.subject_id, NULLIF(m.number, 0)) AS reference, m.kind, m.subject_id,
           m.subject_id AS attempt_id, m.number, m.effective_on, j.recorded_at, m.journal_id, m.debit_account_id,
           m.credit_account_id, m.amount, m.currency
    FROM movement m JOIN journal j ON j.id = m.journal_id
    """,
    """
    CREATE VIEW posting AS
    SELECT m.subject_id, m.kind, m.number, m.journal_id, leg.ledger_account_id, leg.amount, m.currency
    FROM movement m
    CROSS JOIN LATERAL (VALUES (m.debit_account_id, m.amount), (m.credit_account_id, -m.amount))
        AS leg (ledger_account_id, amount)
    """,
)

LISTS = (
    """
    CREATE TABLE payment_list (
        id uuid CONSTRAINT pk_payment_list PRIMARY KEY,
        cycle_id uuid NOT NULL CONSTRAINT fk_payment_list_cycle_id_cycle REFERENCES cycle (id),
        programme_code text NOT NULL,
        period text NOT NULL,
        fund_code text NOT NULL CONSTRAINT fk_payment_list_fund_code_fund REFERENCES fund (code),
        fund_codes text[] NOT NULL DEFAULT '{}',
        currency text NOT NULL,
        status text NOT NULL,
        ready_count integer NOT NULL DEFAULT 0,
        ready_amount numeric(18, 2) NOT NULL DEFAULT 0,
        excluded_count integer NOT NULL DEFAULT 0,
        excluded_amount numeric(18, 2) NOT NULL DEFAULT 0,
        deducted_amount numeric(18, 2) NOT NULL DEFAULT 0,
        content_hash text,
        approvals integer NOT NULL DEFAULT 0,
        approvals_needed integer NOT NULL DEFAULT 1,
        first_approved_by text,
        refusal text,
        built_by text NOT NULL,
        submitted_by text,
        approved_by text,
        disbursed_by text,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT ck_payment_list_status CHECK (status IN ('building', 'refused', 'built', 'submitted',
            'part_approved', 'approved', 'rejected', 'disbursing', 'partly_disbursed', 'disbursed'))
    )
    """,
    """
    CREATE UNIQUE INDEX uq_payment_list_cycle_id ON payment_list (cycle_id)
    WHERE status NOT IN ('rejected', 'refused')
    """,
    """
    CREATE TABLE payment_list_line (
        payment_list_id uuid NOT NULL,
        payment_id uuid NOT NULL,
        entitlement_id uuid NOT NULL,
        beneficiary_id uuid NOT NULL,
        beneficiary_reference text NOT NULL,
        village_code text NOT NULL,
        component text NOT NULL,
        amount numeric(18, 2) NOT NULL,
        deduction numeric(18, 2) NOT NULL DEFAULT 0,
        claim_id uuid,
        currency text NOT NULL,
        account_id uuid,
        account_version integer,
        rail text,
        provider text,
        status text NOT NULL CONSTRAINT ck_payment_list_line_status CHECK (status IN ('ready', 'excluded', 'split')),
        reasons text[] NOT NULL,
        note text,
        priority integer NOT NULL DEFAULT 0,
        part_of uuid,
        CONSTRAINT pk_payment_list_line PRIMARY KEY (payment_list_id, payment_id),
        CONSTRAINT ck_payment_list_line_ready CHECK (status <> 'ready' OR
            (account_id IS NOT NULL AND account_version IS NOT NULL AND rail IS NOT NULL AND cardinality(reasons) = 0))
    )
    """,
    "CREATE INDEX ix_payment_list_line_payment_id ON payment_list_line (payment_id)",
    "CREATE INDEX ix_payment_list_line_part_of ON payment_list_line (part_of) WHERE part_of IS NOT NULL",
    "CREATE INDEX ix_payment_list_line_first ON payment_list_line (payment_list_id, payment_id) WHERE priority > 0",
    """
    CREATE TABLE payment_list_fund (
        payment_list_id uuid NOT NULL,
        position integer NOT NULL,
        fund_code text NOT NULL CONSTRAINT fk_payment_list_fund_fund_code_fund REFERENCES fund (code),
        after_payment uuid NOT NULL,
        until_payment uuid NOT NULL,
        count integer NOT NULL,
        amount numeric(18, 2) NOT NULL,
        CONSTRAINT pk_payment_list_fund PRIMARY KEY (payment_list_id, position)
    )
    """,
    """
    CREATE TABLE payment_exclusion (
        payment_id uuid CONSTRAINT pk_payment_exclusion PRIMARY KEY,
        version integer NOT NULL,
        reason_code text NOT NULL
    )
    """,
    """
    CREATE TABLE payment_list_step (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_payment_list_step PRIMARY KEY,
        payment_list_id uuid NOT NULL CONSTRAINT fk_payment_list_step_payment_list_id_payment_list
            REFERENCES payment_list (id),
        action text NOT NULL,
        actor text NOT NULL,
        content_hash text,
        reason text,
        at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX ix_payment_list_step_payment_list_id ON payment_list_step (payment_list_id)",
)

INSTRUCTIONS = (
    """
    CREATE TABLE payment (
        id uuid CONSTRAINT pk_payment PRIMARY KEY,
        entitlement_id uuid NOT NULL,
        cycle_id uuid NOT NULL,
        payment_list_id uuid NOT NULL,
        programme_code text NOT NULL,
        period text NOT NULL,
        beneficiary_id uuid NOT NULL,
        beneficiary_reference text NOT NULL,
        village_code text NOT NULL,
        component text NOT NULL,
        amount numeric(18, 2) NOT NULL,
        currency text NOT NULL,
        fund_code text NOT NULL,
        status text NOT NULL CONSTRAINT ck_payment_status
            CHECK (status IN ('approved', 'instructed', 'settled', 'failed', 'returned', 'expired')),
        attempt integer NOT NULL DEFAULT 0,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT ck_payment_amount CHECK (amount > 0 AND (currency <> 'KHR' OR amount = trunc(amount)))
    ) WITH (fillfactor = 55)
    """,
    "CREATE INDEX ix_payment_cycle_id ON payment (cycle_id, id)",
    "CREATE INDEX ix_payment_payment_list_id ON payment (payment_list_id, id)",
    "CREATE INDEX ix_payment_beneficiary_id ON payment (beneficiary_id)",
    """
    CREATE TABLE unpaid_payment (
        payment_id uuid CONSTRAINT pk_unpaid_payment PRIMARY KEY,
        status text NOT NULL,
        since date NOT NULL
    )
    """,
    """
    CREATE TABLE payment_attempt (
        id uuid CONSTRAINT pk_payment_attempt PRIMARY KEY,
        payment_id uuid NOT NULL,
        attempt integer NOT NULL,
        rail text NOT NULL,
        provider text NOT NULL,
        account_id uuid NOT NULL,
        account_version integer NOT NULL,
        end_to_end_id varchar(35) NOT NULL CONSTRAINT uq_payment_attempt_end_to_end_id UNIQUE,
        batch_id uuid,
        account_token uuid,
        agent_code text,
        state text NOT NULL CONSTRAINT ck_payment_attempt_state
            CHECK (state IN ('queued', 'sent', 'unknown', 'accepted', 'settled', 'failed', 'returned', 'expired')),
        amount numeric(18, 2) NOT NULL,
        currency text NOT NULL,
        outcome_on date,
        reason_code text NOT NULL DEFAULT '',
        reason text NOT NULL DEFAULT '',
        outcome_source text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_payment_attempt_payment_id UNIQUE (payment_id, attempt)
    ) WITH (fillfactor = 55)
    """,
    # An attempt is of a payment, and a payment stays: checked once per statement. A foreign key would look up and lock
    # each payment, a fifth of the time of a disbursement. Always by the index: the plan is kept from the first list on,
    # when the table was small.
    """
    CREATE FUNCTION attempt_check() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
    BEGIN
        IF EXISTS (SELECT FROM new_attempt a WHERE NOT EXISTS (SELECT FROM payment p WHERE p.id = a.payment_id)) THEN
            RAISE EXCEPTION 'an attempt names no payment'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'payment_attempt_payment';
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER attempt_check AFTER INSERT ON payment_attempt
    REFERENCING NEW TABLE AS new_attempt FOR EACH STATEMENT EXECUTE FUNCTION attempt_check()
    """,
    """
    CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON payment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE INDEX ix_payment_attempt_queued ON payment_attempt (rail, provider, id)
    WHERE batch_id IS NULL
    """,
    "CREATE INDEX ix_payment_attempt_batch_id ON payment_attempt (batch_id) WHERE batch_id IS NOT NULL",
    """
    CREATE TABLE payment_outcome (
        id bigint GENERATED ALWAYS AS IDENTITY,
        attempt_id uuid NOT NULL,
        kind text NOT NULL,
        effective_on date NOT NULL,
        source text NOT NULL,
        source_reference text NOT NULL,
        reason_code text NOT NULL,
        reason text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_payment_outcome PRIMARY KEY (attempt_id, id)
    )
    """,
    """
    CREATE TABLE outcome_rule (
        state text NOT NULL,
        kind text NOT NULL,
        verdict text NOT NULL,
        path text[],
        CONSTRAINT pk_outcome_rule PRIMARY KEY (state, kind)
    )
    """,
    """
    INSERT INTO outcome_rule (state, kind, verdict, path) VALUES
        ('queued', 'accepted', 'contradiction', NULL),
        ('queued', 'settled', 'contradiction', NULL),
        ('queued', 'failed', 'step', '{failed}'),
        ('queued', 'returned', 'contradiction', NULL),
        ('queued', 'expired', 'step', '{expired}'),
        ('sent', 'accepted', 'step', '{accepted}'),
        ('sent', 'settled', 'step', '{settled}'),
        ('sent', 'failed', 'step', '{failed}'),
        ('sent', 'returned', 'step', '{settled,returned}'),
        ('sent', 'expired', 'step', '{expired}'),
        ('unknown', 'accepted', 'step', '{accepted}'),
        ('unknown', 'settled', 'step', '{settled}'),
        ('unknown', 'failed', 'step', '{failed}'),
        ('unknown', 'returned', 'step', '{settled,returned}'),
        ('unknown', 'expired', 'step', '{expired}'),
        ('accepted', 'accepted', 'known', NULL),
        ('accepted', 'settled', 'step', '{settled}'),
        ('accepted', 'failed', 'step', '{failed}'),
        ('accepted', 'returned', 'step', '{settled,returned}'),
        ('accepted', 'expired', 'step', '{expired}'),
        ('settled', 'accepted', 'known', NULL),
        ('settled', 'settled', 'known', NULL),
        ('settled', 'failed', 'contradiction', NULL),
        ('settled', 'returned', 'step', '{returned}'),
        ('settled', 'expired', 'contradiction', NULL),
        ('failed', 'accepted', 'known', NULL),
        ('failed', 'settled', 'contradiction', NULL),
        ('failed', 'failed', 'known', NULL),
        ('failed', 'returned', 'contradiction', NULL),
        ('failed', 'expired', 'contradiction', NULL),
        ('returned', 'accepted', 'known', NULL),
        ('returned', 'settled', 'known', NULL),
        ('returned', 'failed', 'contradiction', NULL),
        ('returned', 'returned', 'known', NULL),
        ('returned', 'expired', 'contradiction', NULL),
        ('expired', 'accepted', 'known', NULL),
        ('expired', 'settled', 'contradiction', NULL),
        ('expired', 'failed', 'contradiction', NULL),
        ('expired', 'returned', 'contradiction', NULL),
        ('expired', 'expired', 'known', NULL)
    """,
)

TABLES = (
    "outcome_rule", "payment_outcome", "payment_attempt", "unpaid_payment", "payment", "payment_list_step",
    "payment_exclusion",
    "payment_list_fund", "payment_list_line", "payment_list",
    "ledger_closed_day", "ledger_day", "journal_balance", "movement", "journal", "ledger_account", "fund",
    "account_import_finding", "account_import_row",
    "account_import", "account_history", "account", "hold", "cycle", "entitlement", "enrolment",
)  # fmt: skip


def upgrade() -> None:
    """Create the kit's tables and the service's own."""
    create_kit_tables(op)
    for group in (PROJECTIONS, ACCOUNTS, LEDGER, LISTS, INSTRUCTIONS):
        for statement in group:
            op.execute(statement)


def downgrade() -> None:
    """Drop everything this revision made."""
    op.execute("DROP VIEW posting, ledger_transaction")
    for table in TABLES:
        op.drop_table(table)
    op.execute("DROP FUNCTION movement_check(), journal_check(), attempt_check()")
    drop_kit_tables(op)
