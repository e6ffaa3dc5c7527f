"""The metadata that this service's tables belong to. Migrations make the tables; these objects only name them."""

from __future__ import annotations

from typing import Any, TypeAlias

from shared.db import new_metadata

metadata = new_metadata()

Record: TypeAlias = Any
"""A row as the repositories give it: its columns are attributes. (SQLAlchemy's Row types positions, not names.)"""
