"""All SQL of searching: numbers by keyed hash, names by what they sound like, always within the caller's area."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db import copy_records

MAX_CANDIDATES: Final = 150
"""People looked at closely for one search: more means that the question is too wide."""

_IN_AREA: Final = """EXISTS (
      SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(g.village_code, area))
      AND starts_with(g.village_code, :place)"""

_SHOWN: Final = """
    p.id AS person_id, p.name_km, p.name_en, p.sex, p.birth_date, p.birth_date_precision, p.alive,
    g.id AS household_id, g.reference, g.village_code, m.relationship, g.poverty_level, g.card_valid_until"""

_BY_NUMBER: Final = text(f"""
    SELECT {_SHOWN}, i.type AS found_by
    FROM unnest(CAST(:types AS text[]), CAST(:hashes AS bytea[])) AS given (type, hash)
    JOIN identifier i ON i.type = given.type AND i.hash = given.hash AND i.withdrawn_at IS NULL
    LEFT JOIN household h ON h.id = i.owner_id
    JOIN person p ON p.id = coalesce(h.head_person_id, i.owner_id)
    JOIN LATERAL (
      SELECT s.household_id, s.relationship FROM every_membership s WHERE s.person_id = p.id AND NOT s.void
      ORDER BY s.valid_until DESC NULLS FIRST LIMIT 1) AS m ON true
    JOIN household g ON g.id = coalesce(h.id, m.household_id)
    WHERE {_IN_AREA} ORDER BY p.id LIMIT :limit""")  # noqa: S608 only constants of this module are joined

_BY_PHONE: Final = text(f"""
    SELECT {_SHOWN}, 'phone' AS found_by
    FROM person p
    JOIN membership m ON m.person_id = p.id AND m.valid_until IS NULL
    JOIN household g ON g.id = m.household_id
    WHERE p.phone_hash = :hash AND {_IN_AREA} ORDER BY p.id LIMIT :limit""")  # noqa: S608

_BY_REFERENCE: Final = text(f"""
    SELECT {_SHOWN}, 'reference' AS found_by
    FROM household g
    JOIN membership m ON m.household_id = g.id AND m.valid_until IS NULL
    JOIN person p ON p.id = m.person_id
    WHERE g.reference = :reference AND {_IN_AREA}
    ORDER BY m.relationship <> 'head', m.person_ref LIMIT :limit""")  # noqa: S608

# One range of the index for each area of the caller: keys that many share are cut at the first candidates.
_CANDIDATES: Final = text("""
    SELECT found.person_id, count(DISTINCT found.key) AS keys
    FROM (
      SELECT k.person_id, given.key
      FROM unnest(CAST(:keys AS text[])) AS given (key)
      CROSS JOIN unnest(CAST(:prefixes AS text[]), CAST(:ends AS text[])) AS area (first, last)
      CROSS JOIN LATERAL (
        SELECT n.person_id FROM name_key n
        WHERE n.key = given.key AND n.village_code >= area.first AND n.village_code < area.last
        ORDER BY n.key, n.village_code, n.person_id LIMIT :scan) AS k
    ) AS found
    GROUP BY found.person_id ORDER BY keys DESC, found.person_id LIMIT :candidates""")

_PEOPLE: Final = text(f"""
    SELECT {_SHOWN}, 'name' AS found_by
    FROM unnest(CAST(:ids AS uuid[])) AS wanted (id)
    JOIN person p ON p.id = wanted.id
    JOIN membership m ON m.person_id = p.id AND m.valid_until IS NULL
    JOIN household g ON g.id = m.household_id
    WHERE {_IN_AREA}""")  # noqa: S608

_NAMES: Final = text("""
    SELECT m.person_id, g.village_code, p.name_km, p.name_en
    FROM membership m JOIN household g ON g.id = m.household_id JOIN person p ON p.id = m.person_id
    WHERE g.id = ANY (CAST(:households AS uuid[])) AND m.valid_until IS NULL""")
_FORGET: Final = text("""
    DELETE FROM name_key n USING every_membership m
    WHERE m.household_id = ANY (CAST(:households AS uuid[])) AND n.person_id = m.person_id
      AND (m.valid_until IS NULL OR NOT EXISTS (
        SELECT FROM membership o WHERE o.person_id = m.person_id AND o.valid_until IS NULL))""")
_TAKE: Final = text("""
    DELETE FROM search_pending WHERE id IN (
      SELECT id FROM search_pending ORDER BY id LIMIT :rows FOR UPDATE SKIP LOCKED)
    RETURNING household_ids""")
_IS_PENDING: Final = text("SELECT EXISTS (SELECT FROM search_pending)")
_NOTE: Final = text("INSERT INTO search_pending (household_ids) VALUES (CAST(:ids AS uuid[]))")
_LOOKS: Final = text("""
    INSERT INTO audit_entry (actor, roles, areas, action, object_type, object_id, detail, traceparent)
    SELECT :actor, CAST(:roles AS text[]), CAST(:areas AS text[]), :action, 'person', id, CAST(:detail AS jsonb), :trace
    FROM unnest(CAST(:ids AS text[])) AS seen (id)""")


async def by_numbers(session: AsyncSession, numbers: Sequence[tuple[str, bytes]], **where: Any) -> Sequence[Row[Any]]:
    """The persons (of a card: the head) who hold any of these (type, hash)."""
    values = {"types": [item[0] for item in numbers], "hashes": [item[1] for item in numbers], **where}
    return (await session.execute(_BY_NUMBER, values)).all()


async def by_phone(session: AsyncSession, digest: bytes, **where: Any) -> Sequence[Row[Any]]:
    """Present members with this telephone."""
    return (await session.execute(_BY_PHONE, {"hash": digest, **where})).all()


async def by_reference(session: AsyncSession, reference: str, **where: Any) -> Sequence[Row[Any]]:
    """The members of the household with this short reference."""
    return (await session.execute(_BY_REFERENCE, {"reference": reference, **where})).all()


async def candidates(
    session: AsyncSession, keys: Sequence[str], ranges: Sequence[tuple[str, str]], scan: int
) -> Sequence[Row[Any]]:
    """Persons whose names share keys, most shared first; in these ranges [first, last) of village codes."""
    values = {
        "keys": list(keys),
        "prefixes": [first for first, _ in ranges],
        "ends": [last for _, last in ranges],
        "scan": scan,
        "candidates": MAX_CANDIDATES,
    }
    return (await session.execute(_CANDIDATES, values)).all()


async def people(session: AsyncSession, ids: Sequence[UUID], **where: Any) -> Sequence[Row[Any]]:
    """These persons with their households, as a clerk sees them."""
    return (await session.execute(_PEOPLE, {"ids": list(ids), **where})).all()


# --- the index -----------------------------------------------------------------------------------------------------


async def names_of(session: AsyncSession, households: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Names of the present members of these households."""
    return (await session.execute(_NAMES, {"households": list(households)})).all()


async def replace_keys(
    session: AsyncSession, households: Sequence[UUID], rows: Sequence[tuple[str, str, UUID]]
) -> None:
    """Give the people of these households these keys in place of what they had."""
    await session.execute(_FORGET, {"households": list(households)})
    if rows:
        await copy_records(session, "name_key", ("key", "village_code", "person_id"), rows)


async def note_pending(session: AsyncSession, households: Sequence[UUID]) -> None:
    """Remember that these households are to be indexed."""
    await session.execute(_NOTE, {"ids": list(households)})


async def take_pending(session: AsyncSession, rows: int) -> list[UUID]:
    """Households noted longest ago, taken off the list in this transaction."""
    taken = await session.scalars(_TAKE, {"rows": rows})
    return sorted({household for ids in taken for household in ids})


async def is_pending(session: AsyncSession) -> bool:
    """Whether any household waits to be indexed."""
    return bool(await session.scalar(_IS_PENDING))


async def record_looks(session: AsyncSession, **values: Any) -> None:
    """One audit entry for each person who was seen, by one statement."""
    await session.execute(_LOOKS, values)
