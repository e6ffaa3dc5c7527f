"""Households, persons, who belongs where and when, and the identifiers that find them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    FetchedValue,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

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
    Column("kind", Text),
    Column("poverty_score", Numeric(8, 4)),
    Column("poverty_source", Text),
    Column("poverty_cause", Text),
    Column("representative_person_id", Uuid),
    Column("shocks", JSONB),
    Column("dissolved_on", Date),
    Column("dissolved_cause", Text),
    Column("successor_household_id", Uuid),
    Column("change_id", Uuid),
    Column("version", Integer),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)
"""`location_class` is the one last published; `import_hash` what a file said of the household the last time;
`change_id` the change that registered it."""

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
    Column("phone_hash", LargeBinary),
    Column("alive", Boolean),
    Column("died_on", Date),
    Column("washington_group", JSONB(none_as_null=True)),
    Column("disability_card_valid_until", Date),
    Column("expected_delivery_on", Date),
    Column("education_level", Text),
    Column("school_code", Text),
    Column("employment", Text),
    Column("employer_id", Uuid),
    Column("insured", Boolean),
    Column("civil_servant", Boolean),
    Column("change_id", Uuid),
)

membership: Final = Table(
    "membership",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=FetchedValue()),
    Column("household_id", Uuid),
    Column("person_id", Uuid),
    Column("person_ref", Text),
    Column("relationship", Text),
    Column("valid_from", Date),
    Column("valid_until", Date),
    Column("void", Boolean),
    Column("change_id", Uuid),
)
"""A person belongs to at most one household at a time; `valid_until` is the last day, null while it lasts. A void one
should never have been: it is kept, and counts nowhere."""

identifier: Final = Table(
    "identifier",
    metadata,
    Column("type", Text),
    Column("hash", LargeBinary),
    Column("owner_id", Uuid),
    Column("cipher", LargeBinary),
    Column("issuer", Text),
    Column("valid_from", Date),
    Column("valid_until", Date),
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("change_id", Uuid),
)
"""Of a person, or of a household (equity_card): encrypted to be read back, keyed hash to be found. Present while
`withdrawn_at` is null: then unique per type and number, and one of a type per owner."""
