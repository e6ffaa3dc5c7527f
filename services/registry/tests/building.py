"""Builders for the registry's tests: a running service and household files."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.registry.imports.rules import COLUMNS
from services.registry.places import repository as places
from services.registry.places.gazetteer import PlaceRow
from services.registry.places.location_class import load_class_rules
from shared.testing.service import TestService

VILLAGES = ("01020101", "01020102", "01060101", "12010101")
KEYS = {
    "encryption_key": base64.b64encode(bytes(range(32))).decode(),
    "hash_key": base64.b64encode(bytes(range(1, 33))).decode(),
}


def place_rows() -> list[PlaceRow]:
    """Four villages with everything above them."""
    rows: dict[str, PlaceRow] = {}
    for village in VILLAGES:
        for length, level in ((2, "province"), (4, "district"), (6, "commune"), (8, "village")):
            code = village[:length]
            rows[code] = PlaceRow(code, level, code[:-2] or None, f"ភូមិ {code}", f"Place {code}", f"Place {code}")
    return list(rows.values())


class Registry:
    """A registry under test."""

    def __init__(self, service: TestService) -> None:
        self.service = service
        self.http = service.http

    async def place_villages(self) -> None:
        """The four villages, with their classes: the first thing of a fresh schema."""
        rules = load_class_rules()
        async with self.service.database.session() as session:
            await places.upsert_places(session, place_rows())
            await places.set_rule_classes(session, {code: rules.class_of(code) for code in VILLAGES}, rules.valid_from)

    def officer(self, *roles: str, areas: Iterable[str] = ("*",), subject: str = "officer-1") -> dict[str, str]:
        """Headers of an officer; a commune officer unless said otherwise."""
        return self.service.token(*(roles or ("commune_officer",)), areas=tuple(areas), subject=subject)

    async def send(self, body: str | bytes, *, areas: Iterable[str] = ("*",), dry_run: bool = False) -> dict[str, Any]:
        """Import a file to its end; the import's record."""
        headers = {**self.officer(areas=areas), "Content-Type": "text/csv"}
        content = body.encode() if isinstance(body, str) else body
        url = f"/registry/v1/household-imports?dry_run={str(dry_run).lower()}"
        answer = await self.http.post(url, content=content, headers=headers)
        assert answer.status_code == 202, answer.text
        await self.service.run_jobs()
        return await self.read(answer.json()["import_id"])

    async def read(self, import_id: str) -> dict[str, Any]:
        """The import's record."""
        url = f"/registry/v1/household-imports/{import_id}"
        answer = await self.http.get(url, headers=self.officer("registry_officer"))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def rejections(self, import_id: str) -> set[tuple[int, str, str]]:
        """(line, field, code) of every rejection."""
        url = f"/registry/v1/household-imports/{import_id}/rejections?limit=500"
        answer = await self.http.get(url, headers=self.officer("registry_officer"))
        assert answer.status_code == 200, answer.text
        return {(item["line"], item["field"], item["code"]) for item in answer.json()["items"]}

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        """Rows of a query."""
        async with self.service.database.session() as session:
            return list((await session.execute(text(statement), values)).all())

    async def count(self, table: str) -> int:
        """Rows of a table."""
        return int((await self.rows(f"SELECT count(*) FROM {table}"))[0][0])

    async def everything(self) -> list[Any]:
        """The whole register, as comparable rows: what importing twice must not change."""
        return await self.rows(
            "SELECT g.id, g.version, g.village_code, g.household_ref, g.poverty_level, m.person_id, m.person_ref,"
            " m.relationship, m.valid_from, m.valid_until, p.name_en, p.birth_date FROM household g"
            " JOIN membership m ON m.household_id = g.id JOIN person p ON p.id = m.person_id ORDER BY g.id, m.id"
        )

    async def household_id(self, household_ref: str) -> UUID:
        """The household with the commune's number."""
        found = await self.rows("SELECT id FROM household WHERE household_ref = :ref", ref=household_ref)
        return UUID(str(found[0].id))


def person(household_ref: str = "H1", person_ref: str = "1", **cells: str) -> dict[str, str]:
    """One good line of a household with a card; `cells` change it."""
    line = {
        "household_ref": household_ref,
        "village_code": VILLAGES[0],
        "poverty_level": "1",
        "card_number": f"CARD-{household_ref}",
        "card_valid_from": "2020-01-01",
        "card_valid_until": "2023-01-01",
        "person_ref": person_ref,
        "name_km": "សុខ ដារ៉ា",
        "name_en": "Sok Dara",
        "sex": "female",
        "birth_date": "1980-05-17",
        "relationship": "head" if person_ref == "1" else "child",
        "national_id": "",
        "phone": "",
        "disability": "none",
        "living_with_hiv": "false",
        "pregnant": "false",
    }
    return line | cells


def file_of(*lines: dict[str, str]) -> str:
    """A file with these lines; the first is line 2."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
