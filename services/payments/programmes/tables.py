"""Projection of published programme versions, written by events only."""

from __future__ import annotations

from sqlalchemy import Column, Date, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.payments.metadata import metadata

programme_version = Table(
    "programme_version",
    metadata,
    Column("programme_code", Text, primary_key=True),
    Column("programme_version", Integer, primary_key=True),
    Column("unit", Text, nullable=False),
    Column("name_km", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("funding_line", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date),
    Column("clauses", JSONB, nullable=False),
    Column("components", JSONB, nullable=False),
    Column("unconfirmed", ARRAY(Text), nullable=False),
    Column("version", Integer, nullable=False),
)
"""`clauses` and `components`: lists of {code, km, en}; `unconfirmed`: rate tables that no officer has confirmed."""
