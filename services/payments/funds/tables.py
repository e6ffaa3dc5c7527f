"""Tables of funds. What is available is never stored: it is the balance of the fund's `available` ledger account."""

from __future__ import annotations

from sqlalchemy import Column, Date, DateTime, Integer, Numeric, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from services.payments.metadata import metadata

fund = Table(
    "fund",
    metadata,
    Column("code", Text, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("programme_lines", ARRAY(Text), nullable=False),
    Column("allotment", Numeric(18, 2), nullable=False, server_default=text("0")),
    Column("source", Text, nullable=False, server_default="state_budget"),
    Column("priority", Integer, nullable=False, server_default=text("1")),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("version", Integer, nullable=False, server_default=text("1")),
)
"""`allotment` is the sum allotted so far; `priority` orders the funds that serve one line: the lowest pays first."""

fund_entry = Table(
    "fund_entry",
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("uuidv7()")),
    Column("fund_code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("document", Text, nullable=False),
    Column("on_date", Date, nullable=False),
    Column("rate_id", UUID),
    Column("counterpart_id", UUID),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""Every allotment, release and exchange of a fund, with the paper that orders it. Its id is the movement's subject."""
