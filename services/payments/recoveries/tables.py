"""Tables of claims for over-payments, and of what was kept back for them."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Integer, Numeric, Table, Text, func, text
from sqlalchemy.dialects.postgresql import UUID

from services.payments.metadata import metadata

claim = Table(
    "claim",
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("uuidv7()")),
    Column("payment_id", UUID, nullable=False),
    Column("beneficiary_id", UUID, nullable=False),
    Column("village_code", Text, nullable=False),
    Column("programme_code", Text, nullable=False),
    Column("fund_code", Text, nullable=False),
    Column("rail", Text, nullable=False),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("recovered", Numeric(18, 2), nullable=False, server_default=text("0")),
    Column("waived", Numeric(18, 2), nullable=False, server_default=text("0")),
    Column("currency", Text, nullable=False),
    Column("monthly_cap_percent", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("confirmed_by", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("version", Integer, nullable=False, server_default=text("1")),
)
"""`status`: proposed, open, closed, waived, or queued (open again, behind another of the same beneficiary).
Outstanding is amount - recovered - waived."""

claim_receipt = Table(
    "claim_receipt",
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("uuidv7()")),
    Column("claim_id", UUID, nullable=False),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("document", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""Money paid back by hand, each under its receipt."""
