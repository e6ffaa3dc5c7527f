"""Tables of the books. The database refuses UPDATE and DELETE; a movement holds both its postings."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, DateTime, Identity, Integer, Numeric, Table, Text, func, text
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
    Column("party", Text, nullable=False, server_default=""),
    Column("currency", Text, nullable=False),
)
"""`programme_code`, `rail` and `party` (an employer, an agent) are empty where the type does not tell them apart."""

journal = Table(
    "journal",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""What was booked by one statement: one movement or ten thousand."""

movement = Table(
    "movement",
    metadata,
    Column("journal_id", BigInteger, nullable=False),
    Column("subject_id", UUID, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("number", Integer, primary_key=True, server_default=text("0")),
    Column("effective_on", Date, nullable=False),
    Column("debit_account_id", Integer, nullable=False),
    Column("credit_account_id", Integer, nullable=False),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("currency", Text, nullable=False),
)
"""Two postings in one row. Its reference is what it is about, why, and which time: booked once."""

journal_balance = Table(
    "journal_balance",
    metadata,
    Column("ledger_account_id", Integer, primary_key=True),
    Column("journal_id", BigInteger, primary_key=True),
    Column("debit", Numeric(20, 2), nullable=False),
    Column("credit", Numeric(20, 2), nullable=False),
    Column("movements", Integer, nullable=False),
)
"""What each journal moved on each account: kept by a trigger, checked against the movements by the self-check."""

ledger_day = Table(
    "ledger_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("ledger_account_id", Integer, primary_key=True),
    Column("debit", Numeric(20, 2), nullable=False),
    Column("credit", Numeric(20, 2), nullable=False),
    Column("movements", BigInteger, nullable=False),
)
"""The same, summed over a UTC day that is closed: nothing is recorded on it any more."""
