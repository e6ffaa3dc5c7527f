"""Tables of the books. The database refuses UPDATE and DELETE, and postings that do not sum to zero."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, DateTime, Identity, Integer, Numeric, Table, Text, func
from sqlalchemy.dialects.postgresql import UUID

from services.payments.metadata import metadata

ledger_account = Table(
    "ledger_account",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("fund_code", Text, nullable=False),
    Column("programme_code", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("rail", Text, nullable=False),
    Column("currency", Text, nullable=False),
)

ledger_transaction = Table(
    "ledger_transaction",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("reference", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("payment_id", UUID),
    Column("attempt_id", UUID),
    Column("payment_list_id", UUID),
    Column("effective_on", Date, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

posting = Table(
    "posting",
    metadata,
    Column("transaction_id", BigInteger, primary_key=True),
    Column("ledger_account_id", Integer, primary_key=True),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("currency", Text, nullable=False),
)
"""Debits are positive, credits negative."""
