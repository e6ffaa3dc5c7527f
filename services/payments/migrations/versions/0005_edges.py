"""Others asking us to pay (sources, payees, orders, callbacks), vouchers, and cash handed out by agents."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SOURCES = (
    """
    CREATE TABLE external_source (
        code text CONSTRAINT pk_external_source PRIMARY KEY,
        name text NOT NULL,
        subject text NOT NULL CONSTRAINT uq_external_source_subject UNIQUE,
        programme_code text NOT NULL CONSTRAINT uq_external_source_programme_code UNIQUE,
        voucher_programme_code text NOT NULL CONSTRAINT uq_external_source_voucher_programme_code UNIQUE,
        funding_line text NOT NULL,
        place_code text NOT NULL,
        sender_id text CONSTRAINT uq_external_source_sender_id UNIQUE,
        payer_address text NOT NULL DEFAULT '',
        keys jsonb NOT NULL,
        callback_origins text[] NOT NULL,
        active boolean NOT NULL DEFAULT true,
        version integer NOT NULL DEFAULT 1,
        created_by text NOT NULL,
        changed_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE external_request (
        source_code text NOT NULL CONSTRAINT fk_external_request_source_code_external_source
            REFERENCES external_source (code),
        protocol text NOT NULL,
        action text NOT NULL,
        request_id text NOT NULL,
        request_hash bytea NOT NULL,
        status smallint,
        body_encrypted bytea,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_external_request PRIMARY KEY (source_code, protocol, action, request_id)
    )
    """,
    "CREATE INDEX ix_external_request_created_at ON external_request USING brin (created_at)",
    """
    CREATE TABLE external_payee (
        id uuid CONSTRAINT pk_external_payee PRIMARY KEY,
        source_code text NOT NULL CONSTRAINT fk_external_payee_source_code_external_source
            REFERENCES external_source (code),
        id_hash bytea NOT NULL,
        id_encrypted bytea NOT NULL,
        reference text NOT NULL,
        beneficiary_id uuid NOT NULL,
        village_code text NOT NULL,
        status text NOT NULL CONSTRAINT ck_external_payee_status CHECK (status IN ('active', 'inactive')),
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_external_payee_id_hash UNIQUE (source_code, id_hash)
    )
    """,
    "CREATE INDEX ix_external_payee_beneficiary_id ON external_payee (beneficiary_id)",
)

ORDERS = (
    """
    CREATE TABLE external_order (
        id uuid CONSTRAINT pk_external_order PRIMARY KEY,
        reference text NOT NULL CONSTRAINT uq_external_order_reference UNIQUE,
        source_code text NOT NULL CONSTRAINT fk_external_order_source_code_external_source
            REFERENCES external_source (code),
        protocol text NOT NULL,
        modality text NOT NULL CONSTRAINT ck_external_order_modality CHECK (modality IN ('account', 'voucher')),
        request_id text NOT NULL,
        batch_id text NOT NULL,
        callback_url text NOT NULL,
        state text NOT NULL CONSTRAINT ck_external_order_state
            CHECK (state IN ('received', 'prepared', 'refused', 'cancelled')),
        currency text NOT NULL,
        count integer NOT NULL,
        amount numeric(18, 2) NOT NULL,
        accepted_count integer NOT NULL DEFAULT 0,
        accepted_amount numeric(18, 2) NOT NULL DEFAULT 0,
        due_at timestamptz,
        refusal text NOT NULL DEFAULT '',
        received_by text NOT NULL,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL,
        prepared_at timestamptz,
        check_at timestamptz,
        reported_hash bytea,
        CONSTRAINT uq_external_order_batch_id UNIQUE (source_code, protocol, batch_id)
    )
    """,
    "CREATE INDEX ix_external_order_check_at ON external_order (check_at) WHERE check_at IS NOT NULL",
    """
    CREATE TABLE external_order_line (
        order_id uuid NOT NULL CONSTRAINT fk_external_order_line_order_id_external_order REFERENCES external_order (id),
        line integer NOT NULL,
        source_code text NOT NULL,
        instruction_id text NOT NULL,
        payee_hash bytea NOT NULL,
        payee_id uuid,
        amount numeric(18, 2),
        currency text NOT NULL,
        payment_id uuid,
        fault text NOT NULL DEFAULT '',
        CONSTRAINT pk_external_order_line PRIMARY KEY (order_id, line)
    )
    """,
    "CREATE INDEX ix_external_order_line_instruction_id ON external_order_line (source_code, instruction_id)",
    """
    CREATE INDEX ix_external_order_line_payment_id ON external_order_line (payment_id) WHERE payment_id IS NOT NULL
    """,
    """
    CREATE TABLE external_callback (
        id uuid CONSTRAINT pk_external_callback PRIMARY KEY,
        source_code text NOT NULL CONSTRAINT fk_external_callback_source_code_external_source
            REFERENCES external_source (code),
        protocol text NOT NULL,
        kind text NOT NULL,
        order_id uuid,
        url text NOT NULL,
        body_encrypted bytea NOT NULL,
        state text NOT NULL DEFAULT 'waiting' CONSTRAINT ck_external_callback_state
            CHECK (state IN ('waiting', 'sent', 'given_up')),
        tries integer NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL,
        last_status integer,
        last_error text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL,
        sent_at timestamptz
    )
    """,
    "CREATE INDEX ix_external_callback_due ON external_callback (next_at) WHERE state = 'waiting'",
    "CREATE INDEX ix_external_callback_order_id ON external_callback (order_id) WHERE order_id IS NOT NULL",
)

VOUCHERS = (
    """
    CREATE TABLE voucher (
        serial text CONSTRAINT pk_voucher PRIMARY KEY,
        source_code text NOT NULL CONSTRAINT fk_voucher_source_code_external_source REFERENCES external_source (code),
        order_id uuid NOT NULL CONSTRAINT fk_voucher_order_id_external_order REFERENCES external_order (id),
        line integer NOT NULL,
        batch_id text NOT NULL,
        group_code text NOT NULL,
        secret_hash bytea NOT NULL,
        amount numeric(18, 2) NOT NULL,
        currency text NOT NULL,
        payment_id uuid CONSTRAINT uq_voucher_payment_id UNIQUE,
        state text NOT NULL CONSTRAINT ck_voucher_state CHECK (state IN ('preactivated', 'activated', 'cancelled')),
        tries integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        activated_at timestamptz,
        cancelled_at timestamptz,
        CONSTRAINT uq_voucher_line UNIQUE (order_id, line)
    )
    """,
    "CREATE INDEX ix_voucher_batch_id ON voucher (source_code, batch_id)",
)

CASH = (
    """
    CREATE TABLE cash_agent (
        code text CONSTRAINT pk_cash_agent PRIMARY KEY,
        provider text NOT NULL,
        subject text NOT NULL CONSTRAINT uq_cash_agent_subject UNIQUE,
        name text NOT NULL,
        currency text NOT NULL,
        credit_limit numeric(18, 2) NOT NULL CONSTRAINT ck_cash_agent_credit_limit CHECK (credit_limit >= 0),
        paid numeric(18, 2) NOT NULL DEFAULT 0,
        settled numeric(18, 2) NOT NULL DEFAULT 0,
        wrong_codes integer NOT NULL DEFAULT 0,
        wrong_on date,
        active boolean NOT NULL DEFAULT true,
        version integer NOT NULL DEFAULT 1,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE cash_settlement (
        id uuid CONSTRAINT pk_cash_settlement PRIMARY KEY,
        agent_code text NOT NULL CONSTRAINT fk_cash_settlement_agent_code_cash_agent REFERENCES cash_agent (code),
        reference text NOT NULL CONSTRAINT uq_cash_settlement_reference UNIQUE,
        amount numeric(18, 2) NOT NULL CONSTRAINT ck_cash_settlement_amount CHECK (amount > 0),
        currency text NOT NULL,
        on_date date NOT NULL,
        recorded_by text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX ix_cash_settlement_agent_code ON cash_settlement (agent_code, id)",
    """
    CREATE TABLE cash_collection (
        attempt_id uuid CONSTRAINT pk_cash_collection PRIMARY KEY,
        end_to_end_id varchar(35) NOT NULL CONSTRAINT uq_cash_collection_end_to_end_id UNIQUE,
        message_id varchar(35) NOT NULL,
        reference text NOT NULL CONSTRAINT uq_cash_collection_reference UNIQUE,
        provider text NOT NULL,
        village_code text NOT NULL,
        amount numeric(18, 2) NOT NULL,
        currency text NOT NULL,
        number_encrypted bytea NOT NULL,
        code_hash bytea NOT NULL,
        codes integer NOT NULL DEFAULT 1,
        state text NOT NULL DEFAULT 'open' CONSTRAINT ck_cash_collection_state
            CHECK (state IN ('open', 'collected', 'expired', 'cancelled')),
        tries integer NOT NULL DEFAULT 0,
        window_until date NOT NULL,
        opened_at timestamptz NOT NULL,
        told_at timestamptz,
        ended_at timestamptz,
        agent_code text,
        agent_reference text,
        receipt text,
        collected_by text NOT NULL DEFAULT '',
        identity_check text NOT NULL DEFAULT '',
        proxy_id uuid,
        version integer NOT NULL DEFAULT 1,
        CONSTRAINT uq_cash_collection_agent_reference UNIQUE (agent_code, agent_reference)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX ix_cash_collection_message_id ON cash_collection (message_id)",
    "CREATE INDEX ix_cash_collection_window ON cash_collection (window_until) WHERE state = 'open'",
    "CREATE INDEX ix_cash_collection_untold ON cash_collection (message_id) WHERE told_at IS NULL",
    """
    CREATE TABLE cash_message (
        id uuid CONSTRAINT pk_cash_message PRIMARY KEY,
        attempt_id uuid NOT NULL CONSTRAINT fk_cash_message_attempt_id_cash_collection
            REFERENCES cash_collection (attempt_id),
        code_encrypted bytea,
        state text NOT NULL DEFAULT 'waiting' CONSTRAINT ck_cash_message_state
            CHECK (state IN ('waiting', 'sent', 'given_up', 'replaced')),
        tries integer NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL,
        sent_at timestamptz,
        last_error text NOT NULL DEFAULT '',
        CONSTRAINT ck_cash_message_code CHECK ((state = 'waiting') = (code_encrypted IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_cash_message_attempt_id ON cash_message (attempt_id)",
    "CREATE INDEX ix_cash_message_due ON cash_message (next_at) WHERE state = 'waiting'",
    """
    CREATE TABLE cash_proxy (
        id uuid CONSTRAINT pk_cash_proxy PRIMARY KEY,
        beneficiary_id uuid NOT NULL,
        village_code text NOT NULL,
        name_encrypted bytea NOT NULL,
        id_number_hash bytea NOT NULL,
        reason text NOT NULL,
        valid_from date NOT NULL,
        valid_until date NOT NULL,
        state text NOT NULL DEFAULT 'requested' CONSTRAINT ck_cash_proxy_state
            CHECK (state IN ('requested', 'approved', 'refused', 'revoked')),
        requested_by text NOT NULL,
        decided_by text,
        decision_reason text NOT NULL DEFAULT '',
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        decided_at timestamptz,
        CONSTRAINT ck_cash_proxy_window CHECK (valid_until >= valid_from)
    )
    """,
    "CREATE INDEX ix_cash_proxy_beneficiary_id ON cash_proxy (beneficiary_id)",
    """
    CREATE TABLE cash_statement (
        id uuid CONSTRAINT pk_cash_statement PRIMARY KEY,
        agent_code text NOT NULL CONSTRAINT fk_cash_statement_agent_code_cash_agent REFERENCES cash_agent (code),
        sha256 bytea NOT NULL CONSTRAINT uq_cash_statement_sha256 UNIQUE,
        from_date date NOT NULL,
        until_date date NOT NULL,
        lines integer NOT NULL,
        matched integer NOT NULL,
        missing integer NOT NULL,
        received_by text NOT NULL,
        received_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE cash_statement_line (
        statement_id uuid NOT NULL CONSTRAINT fk_cash_statement_line_statement_id_cash_statement
            REFERENCES cash_statement (id),
        line integer NOT NULL,
        on_date date,
        payment_reference text NOT NULL,
        agent_reference text NOT NULL,
        amount numeric(18, 2),
        currency text NOT NULL,
        verdict text NOT NULL,
        owner text NOT NULL DEFAULT '',
        resolution text NOT NULL DEFAULT '',
        resolved_by text,
        resolved_at timestamptz,
        version integer NOT NULL DEFAULT 1,
        CONSTRAINT pk_cash_statement_line PRIMARY KEY (statement_id, line)
    )
    """,
    """
    CREATE INDEX ix_cash_statement_line_open ON cash_statement_line (statement_id, line)
    WHERE verdict <> 'matched' AND resolved_at IS NULL
    """,
)

TABLES = (
    "cash_statement_line", "cash_statement", "cash_proxy", "cash_message", "cash_collection", "cash_settlement",
    "cash_agent", "voucher", "external_callback", "external_order_line", "external_order", "external_payee",
    "external_request", "external_source",
)  # fmt: skip


def upgrade() -> None:
    """Create what the edges and the cash rail keep."""
    for group in (SOURCES, ORDERS, VOUCHERS, CASH):
        for statement in group:
            op.execute(statement)


def downgrade() -> None:
    """Drop it."""
    for table in TABLES:
        op.drop_table(table)
