"""Table of funds. What is available is never stored: it is the balance of the fund's `available` ledger account."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Integer, Numeric, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY

from services.payments.metadata import metadata

fund = Table(
    "fund",
    metadata,
    Column("code", Text, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("programme_lines", ARRAY(Text), nullable=False),
    Column("allotment", Numeric(18, 2), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("version", Integer, nullable=False, server_default=text("1")),
)
