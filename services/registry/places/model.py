"""Places and their dated location class."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import Column, Date, Table, Text

from shared.db import new_metadata

metadata = new_metadata()


class Level(StrEnum):
    """From the widest to the narrowest."""

    PROVINCE = "province"
    DISTRICT = "district"
    COMMUNE = "commune"
    VILLAGE = "village"


place: Final = Table(
    "place",
    metadata,
    Column("code", Text, primary_key=True),
    Column("level", Text),
    Column("parent_code", Text),
    Column("name_km", Text),
    Column("name_en", Text),
    Column("path", Text),
    Column("source_code", Text),
    Column("closed_on", Date),
)
"""`closed_on`: from this day the code is no more; its households live under the codes that took its place."""

place_class_period: Final = Table(
    "place_class_period",
    metadata,
    Column("place_code", Text, primary_key=True),
    Column("location_class", Text),
    Column("valid_from", Date, primary_key=True),
    Column("valid_until", Date),
)
"""A view: each class with the day before the next one as its last."""
