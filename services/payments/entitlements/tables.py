"""Projections of what eligibility and grievance say, written by events only; rows carry the producer's version."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Integer, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from services.payments.metadata import metadata

enrolment = Table(
    "enrolment",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("programme_code", Text, nullable=False),
    Column("beneficiary_id", UUID, nullable=False),
    Column("beneficiary_reference", Text, nullable=False),
    Column("village_code", Text, nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("status", Text, nullable=False),
    Column("cause", Text),
    Column("version", Integer, nullable=False),
)
"""Who takes part in which programme: tells in which village a beneficiary lives."""

entitlement = Table(
    "entitlement",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("payment_id", UUID, nullable=False),
    Column("cycle_id", UUID, nullable=False),
    Column("programme_code", Text, nullable=False),
    Column("programme_version", Integer, nullable=False),
    Column("period", Text, nullable=False),
    Column("beneficiary_id", UUID, nullable=False),
    Column("beneficiary_reference", Text, nullable=False),
    Column("village_code", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("currency", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("lines_agree", Boolean, nullable=False),
    Column("unconfirmed", Boolean, nullable=False, server_default=text("false")),
    Column("decision_id", UUID, nullable=False),
    Column("revoked_cause", Text),
    Column("version", Integer, nullable=False),
)
"""What is owed. `payment_id` is the identity its payment will have; `lines_agree`: the lines add up to the amount."""

cycle = Table(
    "cycle",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("programme_code", Text, nullable=False),
    Column("programme_version", Integer, nullable=False),
    Column("period", Text, nullable=False),
    Column("reference_date", Date, nullable=False),
    Column("payment_window_from", Date, nullable=False),
    Column("payment_window_until", Date, nullable=False),
    Column("funding_line", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("amount", Numeric(18, 2), nullable=False),
    Column("totals", JSONB, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("closed_by", Text, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Closed cycles with their control totals."""

hold = Table(
    "hold",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("payment_id", UUID, nullable=False),
    Column("case_id", UUID),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("until", Date),
    Column("released", Boolean, nullable=False),
    Column("cause", Text),
    Column("version", Integer, nullable=False),
)
"""Holds on single payments (fault 24). In force: not released, and `until` not passed."""
