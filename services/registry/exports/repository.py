"""All SQL of exports: the record, the register as a stream of file rows, the sealed pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

STREAM_ROWS: Final = 5_000

_ADD: Final = text("""
    INSERT INTO household_export (id, job_id, requested_by, areas, place, purpose, reason, kind, numbers, optional,
      requested_at)
    VALUES (:id, :job_id, :requested_by, :areas, :place, :purpose, :reason, :kind, :numbers, :optional,
      :requested_at)""")
_FIND: Final = text("SELECT * FROM household_export WHERE id = :id")
_READY: Final = text("""
    UPDATE household_export SET state = 'ready', households = :households, rows = :rows, withheld = :withheld,
      bytes = :bytes, sha256 = :sha256, ready_at = :ready_at, expires_at = :expires_at
    WHERE id = :id AND state = 'queued'""")
_DOWNLOADED: Final = text("UPDATE household_export SET downloads = downloads + 1 WHERE id = :id")
_FORGET_PIECES: Final = text("DELETE FROM export_piece WHERE export_id = :id")
_ADD_PIECE: Final = text("INSERT INTO export_piece (export_id, seq, sealed) VALUES (:id, :seq, :sealed)")
_PIECE: Final = text("SELECT sealed FROM export_piece WHERE export_id = :id AND seq = :seq")
_DUE: Final = text("SELECT id FROM household_export WHERE state = 'ready' AND expires_at <= :now ORDER BY id LIMIT 100")
_EXPIRE: Final = text("UPDATE household_export SET state = 'expired' WHERE id = :id")
_SNAPSHOT: Final = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

_ROWS: Final = text("""
    SELECT g.id AS household_id, g.household_ref, g.village_code, g.poverty_level, card.cipher AS card_cipher,
      g.card_valid_from, g.card_valid_until, m.person_ref, p.name_km, p.name_en, p.sex, p.birth_date,
      p.birth_date_precision, m.relationship, number.cipher AS number_cipher, p.phone_cipher, p.disability,
      p.living_with_hiv, p.pregnant, g.kind AS household_kind, g.poverty_score, g.poverty_source, g.poverty_cause,
      card.issuer AS card_issuer, p.expected_delivery_on, p.disability_card_valid_until, p.washington_group,
      p.education_level, p.school_code, p.employment, p.insured, p.civil_servant, number.issuer AS national_id_issuer,
      number.valid_from AS national_id_valid_from, number.valid_until AS national_id_valid_until, papers.papers,
      NOT CAST(:consent AS boolean) OR EXISTS (
        SELECT FROM consent c WHERE c.person_id = p.id AND c.purpose = :purpose AND c.scope = 'all'
          AND c.withdrawn_on IS NULL AND c.given_on <= :today) AS may_leave
    FROM household g
    JOIN membership m ON m.household_id = g.id AND m.valid_until IS NULL
    JOIN person p ON p.id = m.person_id
    LEFT JOIN identifier card ON card.owner_id = g.id AND card.type = 'equity_card' AND card.withdrawn_at IS NULL
      AND CAST(:numbers AS boolean)
    LEFT JOIN identifier number ON number.owner_id = p.id AND number.type = 'national_id'
      AND number.withdrawn_at IS NULL AND CAST(:numbers AS boolean)
    LEFT JOIN LATERAL (
      SELECT json_object_agg(i.type, json_build_object('cipher', encode(i.cipher, 'hex'), 'issuer', i.issuer,
        'valid_from', i.valid_from, 'valid_until', i.valid_until)) AS papers
      FROM identifier i
      WHERE i.owner_id = p.id AND i.withdrawn_at IS NULL
        AND i.type IN ('birth_certificate', 'social_security', 'disability_card')
    ) AS papers ON CAST(:optional AS boolean) AND CAST(:numbers AS boolean)
    WHERE g.dissolved_on IS NULL AND p.alive AND starts_with(g.village_code, CAST(:place AS text))
      AND EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(g.village_code, area))
    ORDER BY g.village_code, g.household_ref, m.relationship <> 'head', m.person_ref""")


async def add_export(session: AsyncSession, **values: Any) -> None:
    """Record a request."""
    await session.execute(_ADD, values)


async def find_export(session: AsyncSession, export_id: UUID) -> Row[Any] | None:
    """An export's record."""
    return (await session.execute(_FIND, {"id": export_id})).one_or_none()


async def stream_rows(
    session: AsyncSession, export: Row[Any], *, consent: bool, today: Any
) -> AsyncIterator[Sequence[Row[Any]]]:
    """The register as it is at this moment, household by household, by a server-side cursor.

    Args:
        consent: whether a person must have consented to the purpose; `may_leave` says whether she has.
    """
    await session.execute(_SNAPSHOT)
    values = {"place": export.place or "", "areas": list(export.areas), "numbers": export.numbers}
    values["optional"] = export.optional
    values |= {"consent": consent, "purpose": export.purpose, "today": today}
    result = await session.stream(_ROWS, values, execution_options={"yield_per": STREAM_ROWS})
    async for rows in result.partitions(STREAM_ROWS):
        yield rows


async def make_ready(session: AsyncSession, export_id: UUID, **values: Any) -> None:
    """The file is whole."""
    await session.execute(_READY, {"id": export_id, **values})


async def count_download(session: AsyncSession, export_id: UUID) -> None:
    """Somebody fetched it."""
    await session.execute(_DOWNLOADED, {"id": export_id})


async def add_piece(session: AsyncSession, export_id: UUID, seq: int, sealed: bytes) -> None:
    """Keep a sealed piece."""
    await session.execute(_ADD_PIECE, {"id": export_id, "seq": seq, "sealed": sealed})


async def find_piece(session: AsyncSession, export_id: UUID, seq: int) -> bytes | None:
    """A sealed piece; None after the last."""
    found = await session.scalar(_PIECE, {"id": export_id, "seq": seq})
    return bytes(found) if found is not None else None


async def forget_pieces(session: AsyncSession, export_id: UUID) -> None:
    """Delete the file."""
    await session.execute(_FORGET_PIECES, {"id": export_id})


async def due(session: AsyncSession, now: datetime) -> list[UUID]:
    """Exports whose time is over."""
    return list(await session.scalars(_DUE, {"now": now}))


async def expire(session: AsyncSession, export_id: UUID) -> None:
    """Mark it as gone."""
    await session.execute(_EXPIRE, {"id": export_id})
