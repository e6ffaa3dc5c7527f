"""Tables of payments and attempts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, DateTime, Identity, Integer, Numeric, String, Table, Text, func, text
from sqlalchemy.dialects.postgresql import UUID

from services.payments.metadata import metadata

payment = Table(
    "payment",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("entitlement_id", UUID, nullable=False),
    Column("cycle_id", UUID, nullable=False),
    Column("payment_list_id", UUID, nullable=False),
    Column("programme_code", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("beneficiary_id", UUID, nullable=False),
    Column("beneficiary_reference", Text, nullable=False),
    Column("village_code", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("currency", Text, nullable=False),
    Column("fund_code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""What was approved to be paid. `attempt` is the current one; 0 before the first."""

payment_attempt = Table(
    "payment_attempt",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("payment_id", UUID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("rail", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("account_id", UUID, nullable=False),
    Column("account_version", Integer, nullable=False),
    Column("end_to_end_id", String(35), nullable=False, unique=True),
    Column("batch_id", UUID),
    Column("account_token", UUID),
    Column("agent_code", Text),
    Column("state", Text, nullable=False),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("currency", Text, nullable=False),
    Column("outcome_on", Date),
    Column("reason_code", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("outcome_source", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""One try at paying, to the account version that was approved."""

payment_outcome = Table(
    "payment_outcome",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("attempt_id", UUID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_reference", Text, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""Every outcome that changed an attempt, with the channel that told it. Append-only by use."""

unpaid_payment = Table(
    "unpaid_payment",
    metadata,
    Column("payment_id", UUID, primary_key=True),
    Column("status", Text, nullable=False),
    Column("since", Date, nullable=False),
)
"""Payments whose money is back in the fund. Beside `payment`, since an index over its status would cost every
update."""
