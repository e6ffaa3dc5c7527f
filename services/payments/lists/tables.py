"""Tables of payment lists."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Integer, Numeric, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from services.payments.metadata import metadata

payment_list = Table(
    "payment_list",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("cycle_id", UUID, nullable=False),
    Column("programme_code", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("fund_code", Text, nullable=False),
    Column("fund_codes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("ready_count", Integer, nullable=False, server_default=text("0")),
    Column("ready_amount", Numeric(18, 2), nullable=False, server_default=text("0")),
    Column("excluded_count", Integer, nullable=False, server_default=text("0")),
    Column("excluded_amount", Numeric(18, 2), nullable=False, server_default=text("0")),
    Column("deducted_amount", Numeric(18, 2), nullable=False, server_default=text("0")),
    Column("content_hash", Text),
    Column("approvals", Integer, nullable=False, server_default=text("0")),
    Column("approvals_needed", Integer, nullable=False, server_default=text("1")),
    Column("first_approved_by", Text),
    Column("refusal", Text),
    Column("built_by", Text, nullable=False),
    Column("submitted_by", Text),
    Column("approved_by", Text),
    Column("disbursed_by", Text),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""`approvals` counts approvals given: it numbers their ledger references, since a change voids an approval."""

payment_list_line = Table(
    "payment_list_line",
    metadata,
    Column("payment_list_id", UUID, primary_key=True),
    Column("payment_id", UUID, primary_key=True),
    Column("entitlement_id", UUID, nullable=False),
    Column("beneficiary_id", UUID, nullable=False),
    Column("beneficiary_reference", Text, nullable=False),
    Column("village_code", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("deduction", Numeric(18, 2), nullable=False, server_default=text("0")),
    Column("claim_id", UUID),
    Column("currency", Text, nullable=False),
    Column("account_id", UUID),
    Column("account_version", Integer),
    Column("rail", Text),
    Column("provider", Text),
    Column("status", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("note", Text),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    Column("part_of", UUID),
)
"""One line per entitlement, ready or excluded with every reason that applies; a split one is replaced by its parts.
`amount` is what will be paid: the entitlement less `deduction`, which is kept back for the claim of an over-payment."""

payment_list_step = Table(
    "payment_list_step",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("payment_list_id", UUID, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("content_hash", Text),
    Column("reason", Text),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""Who did what to the list, with the hash it had: append-only by use."""
