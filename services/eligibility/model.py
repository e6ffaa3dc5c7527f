"""The declarative base of every table of this service."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, Row, Text
from sqlalchemy.orm import DeclarativeBase

from shared.tables import new_metadata


class Base(DeclarativeBase):
    """Tables of the eligibility schema; no SQL names the schema (the connection's search path does)."""

    metadata = new_metadata()
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True), str: Text()}


AnyRow = Row[*tuple[Any, ...]]
"""A row of any columns, reached by their names."""
