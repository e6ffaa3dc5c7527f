"""Households, persons, who belongs where and when, and the identifiers that find them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Date, DateTime, Integer, LargeBinary, SmallInteger, Table, Text, Uuid

from shared.db import new_metadata

metadata = new_metadata()

household: Final = Table(
    "household",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reference", Text),
    Column("village_code", Text),
    Column("household_ref", Text),
    Column("location_class", Text),
    Column("poverty_level", SmallInteger),
    Column("card_valid_from", Date),
    Column("card_valid_until", Date),
    Column("at_risk", Boolean),
    Column("head_person_id", Uuid),
    Column("effective_on", Date),
    Column("import_hash", LargeBinary),
    Column("version", Integer),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)
"""`location_class` is the one last published; `import_hash` what a file said of the household the last time."""

person: Final = Table(
    "person",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name_km", Text),
    Column("name_en", Text),
    Column("sex", Text),
    Column("birth_date", Date),
    Column("birth_date_precision", Text),
    Column("disability", Text),
    Column("living_with_hiv", Boolean),
    Column("pregnant", Boolean),
    Column("phone_cipher", LargeBinary),
)

membership: Final = Table(
    "membership",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("household_id", Uuid),
    Column("person_id", Uuid),
    Column("person_ref", Text),
    Column("relationship", Text),
    Column("valid_from", Date),
    Column("valid_until", Date),
)
"""A person belongs to at most one household at a time; `valid_until` is the last day, null while it lasts."""

identifier: Final = Table(
    "identifier",
    metadata,
    Column("type", Text, primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    Column("owner_id", Uuid),
    Column("cipher", LargeBinary),
)
"""Of a person (national_id) or a household (equity_card): encrypted to be read back, keyed hash to be found."""
