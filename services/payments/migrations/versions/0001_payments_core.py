"""Accounts, funds, ledger, entitlement projections, payment lists, payments and their attempts.

Money is NUMERIC(18,2) with its currency; a fraction of a riel cannot be stored. Postings balance per transaction and
currency, checked once per statement over its transition table (a constraint trigger per row would cost a call per
posting); transactions and postings are never updated or deleted.
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
        status text NOT NULL CONSTRAINT ck_enrolment_status CHECK (status IN ('approved', 'suspended', 'ended')),
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
        rail text NOT NULL CONSTRAINT ck_account_rail CHECK (rail IN ('bank', 'mobile_money')),
        provider text NOT NULL,
        number_encrypted bytea NOT NULL,
        number_hash bytea NOT NULL,
        holder_name_encrypted bytea NOT NULL,
        purpose text NOT NULL,
        status text NOT NULL CONSTRAINT ck_account_status CHECK (status IN ('active', 'closed')),
        village_code text NOT NULL,
        version integer NOT NULL DEFAULT 1,
        verified_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE UNIQUE INDEX uq_account_beneficiary_id_purpose ON account (beneficiary_id, purpose) WHERE status = 'active'
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
        allotment numeric(18, 2) NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        version integer NOT NULL DEFAULT 1,
        CONSTRAINT ck_fund_allotment CHECK (allotment > 0 AND (currency <> 'KHR' OR allotment = trunc(allotment)))
    )
    """,
    """
    CREATE TABLE ledger_account (
        id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_ledger_account PRIMARY KEY,
        fund_code text NOT NULL CONSTRAINT fk_ledger_account_fund_code_fund REFERENCES fund (code),
        programme_code text NOT NULL,
        type text NOT NULL,
        rail text NOT NULL,
        currency text NOT NULL,
        CONSTRAINT uq_ledger_account_key UNIQUE (fund_code, programme_code, type, rail, currency)
    )
    """,
    """
    CREATE TABLE ledger_transaction (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_ledger_transaction PRIMARY KEY,
        reference text NOT NULL CONSTRAINT uq_ledger_transaction_reference UNIQUE,
        kind text NOT NULL,
        payment_id uuid,
        attempt_id uuid,
        payment_list_id uuid,
        effective_on date NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX ix_ledger_transaction_payment_id ON ledger_transaction (payment_id) WHERE payment_id IS NOT NULL",
    """
    CREATE TABLE posting (
        transaction_id bigint NOT NULL,
        ledger_account_id integer NOT NULL,
        amount numeric(18, 2) NOT NULL,
        currency text NOT NULL,
        CONSTRAINT pk_posting PRIMARY KEY (transaction_id, ledger_account_id),
        CONSTRAINT ck_posting_amount CHECK (amount <> 0 AND (currency <> 'KHR' OR amount = trunc(amount)))
    )
    """,
    "CREATE INDEX ix_posting_ledger_account_id ON posting (ledger_account_id) INCLUDE (amount)",
    """
    CREATE FUNCTION posting_check() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        wrong bigint;
    BEGIN
        SELECT transaction_id INTO wrong FROM new_posting GROUP BY transaction_id, currency HAVING sum(amount) <> 0
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'postings of ledger transaction % do not sum to zero', wrong
                USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_balanced';
        END IF;
        SELECT p.transaction_id INTO wrong FROM new_posting p
        LEFT JOIN ledger_account a ON a.id = p.ledger_account_id AND a.currency = p.currency
        WHERE a.id IS NULL LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'a posting of ledger transaction % names no account of its currency', wrong
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'posting_account';
        END IF;
        SELECT p.transaction_id INTO wrong FROM new_posting p
        LEFT JOIN ledger_transaction t ON t.id = p.transaction_id
        WHERE t.id IS NULL LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'a posting names no ledger transaction: %', wrong
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'posting_transaction';
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER posting_check AFTER INSERT ON posting
    REFERENCING NEW TABLE AS new_posting FOR EACH STATEMENT EXECUTE FUNCTION posting_check()
    """,
    """
    CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
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
        currency text NOT NULL,
        status text NOT NULL,
        ready_count integer NOT NULL DEFAULT 0,
        ready_amount numeric(18, 2) NOT NULL DEFAULT 0,
        excluded_count integer NOT NULL DEFAULT 0,
        excluded_amount numeric(18, 2) NOT NULL DEFAULT 0,
        content_hash text,
        approvals integer NOT NULL DEFAULT 0,
        refusal text,
        built_by text NOT NULL,
        submitted_by text,
        approved_by text,
        disbursed_by text,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT ck_payment_list_status CHECK (status IN ('building', 'refused', 'built', 'submitted', 'approved',
            'rejected', 'disbursing', 'partly_disbursed', 'disbursed'))
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
        currency text NOT NULL,
        account_id uuid,
        account_version integer,
        rail text,
        provider text,
        status text NOT NULL CONSTRAINT ck_payment_list_line_status CHECK (status IN ('ready', 'excluded')),
        reasons text[] NOT NULL,
        note text,
        CONSTRAINT pk_payment_list_line PRIMARY KEY (payment_list_id, payment_id),
        CONSTRAINT ck_payment_list_line_ready CHECK (status = 'excluded' OR
            (account_id IS NOT NULL AND account_version IS NOT NULL AND rail IS NOT NULL AND cardinality(reasons) = 0))
    )
    """,
    "CREATE INDEX ix_payment_list_line_payment_id ON payment_list_line (payment_id)",
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
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX ix_payment_cycle_id ON payment (cycle_id, id)",
    "CREATE INDEX ix_payment_payment_list_id ON payment (payment_list_id, id)",
    "CREATE INDEX ix_payment_beneficiary_id ON payment (beneficiary_id)",
    "CREATE INDEX ix_payment_unpaid ON payment (status, id) WHERE status IN ('failed', 'returned', 'expired')",
    """
    CREATE TABLE payment_attempt (
        id uuid CONSTRAINT pk_payment_attempt PRIMARY KEY,
        payment_id uuid NOT NULL CONSTRAINT fk_payment_attempt_payment_id_payment REFERENCES payment (id),
        attempt integer NOT NULL,
        rail text NOT NULL,
        provider text NOT NULL,
        account_id uuid NOT NULL,
        account_version integer NOT NULL,
        end_to_end_id varchar(35) NOT NULL CONSTRAINT uq_payment_attempt_end_to_end_id UNIQUE,
        batch_id uuid,
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
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE INDEX ix_payment_attempt_queued ON payment_attempt (rail, provider, id)
    WHERE state = 'queued' AND batch_id IS NULL
    """,
    "CREATE INDEX ix_payment_attempt_batch_id ON payment_attempt (batch_id) WHERE batch_id IS NOT NULL",
    """
    CREATE TABLE payment_outcome (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_payment_outcome PRIMARY KEY,
        attempt_id uuid NOT NULL,
        kind text NOT NULL,
        effective_on date NOT NULL,
        source text NOT NULL,
        source_reference text NOT NULL,
        reason_code text NOT NULL,
        reason text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX ix_payment_outcome_attempt_id ON payment_outcome (attempt_id)",
)

TABLES = (
    "payment_outcome", "payment_attempt", "payment", "payment_list_step", "payment_list_line", "payment_list",
    "posting", "ledger_transaction", "ledger_account", "fund", "account_import_finding", "account_import_row",
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
    for table in TABLES:
        op.drop_table(table)
    op.execute("DROP FUNCTION posting_check()")
    drop_kit_tables(op)
