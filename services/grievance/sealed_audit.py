"""Table of what was done to sealed cases, by whom: append-only, and behind the seal."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.grievance.base import Base

sealed_audit_entry = Table(
    "sealed_audit_entry",
    Base.metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("actor", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("action", Text, nullable=False),
    Column("case_id", Uuid, nullable=False),
    Column("detail", JSONB, nullable=False),
    Index("ix_sealed_audit_entry_case_id", "case_id"),
)
