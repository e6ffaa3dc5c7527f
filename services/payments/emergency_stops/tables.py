"""Table of emergency stops. A lifted one stays, with who lifted it and why."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Table, Text, func, text
from sqlalchemy.dialects.postgresql import UUID

from services.payments.metadata import metadata

emergency_stop = Table(
    "emergency_stop",
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("uuidv7()")),
    Column("scope", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("released_by", Text),
    Column("released_at", DateTime(timezone=True)),
    Column("release_reason", Text),
)
"""`target`: a programme's code, a rail's name, a fund's code, or a beneficiary's id as text."""
