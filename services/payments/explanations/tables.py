"""Projections that explain: decisions of eligibility and cases of grievance. Written by events only."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from services.payments.metadata import metadata

decision = Table(
    "decision",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("programme_code", Text, nullable=False),
    Column("programme_version", Integer, nullable=False),
    Column("beneficiary_id", UUID, nullable=False),
    Column("beneficiary_reference", Text, nullable=False),
    Column("village_code", Text, nullable=False),
    Column("decided_on", Date, nullable=False),
    Column("eligible", Boolean, nullable=False),
    Column("failed_clauses", ARRAY(Text), nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("facts_hash", Text, nullable=False),
    Column("decided_by", Text),
    Column("version", Integer, nullable=False),
)
"""A decision is published when it differs from the one before: the newest not after a day holds on that day."""

grievance_case = Table(
    "grievance_case",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", UUID),
    Column("place_code", Text),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("due_on", Date),
    Column("version", Integer, nullable=False),
)
"""Nothing of a sealed case is ever published, so none is here."""
