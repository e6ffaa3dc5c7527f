"""The declarative base of this service's tables."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase

from shared.db import new_metadata


class Base(DeclarativeBase):
    """Base of every mapped class of insights."""

    metadata = new_metadata()
