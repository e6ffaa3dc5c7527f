"""All SQL of programmes and versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.cycles.model import CycleRow, CycleState
from services.eligibility.model import AnyRow
from services.eligibility.programmes.compiled import CompiledProgramme, compile_programme
from services.eligibility.programmes.file import ProgrammeFile, load_document
from services.eligibility.programmes.model import (
    ProgrammeRow,
    ProgrammeVersionRow,
    RateConfirmationRow,
    VersionState,
)

V = ProgrammeVersionRow
MAX_KEPT: Final = 64
_BY_SOURCE: dict[str, CompiledProgramme] = {}


@lru_cache(maxsize=64)
def _compile_stored(document: bytes) -> CompiledProgramme:
    """Rules are parsed once a version and process: parsing is what costs."""
    return compile_programme(load_document(orjson.loads(document)))


def compiled(document: dict[str, Any]) -> CompiledProgramme:
    """The compiled programme of a stored document."""
    return _compile_stored(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))


async def next_version(session: AsyncSession, code: str) -> int:
    """Number of the next version; the programme's row is locked, so that numbers have no gaps and no twins."""
    statement = (
        insert(ProgrammeRow)
        .values(code=code, last_version=1)
        .on_conflict_do_update(index_elements=["code"], set_={"last_version": ProgrammeRow.last_version + 1})
        .returning(ProgrammeRow.last_version)
    )
    return int((await session.execute(statement)).scalar_one())


async def insert_version(
    session: AsyncSession, file: ProgrammeFile, version: int, source: str, source_hash: str, subject: str
) -> None:
    """Store a draft."""
    await session.execute(
        insert(V).values(
            programme_code=file.code,
            version=version,
            state=VersionState.DRAFT,
            valid_from=file.valid_from,
            valid_until=file.valid_until,
            document=file.model_dump(mode="json"),
            source=source,
            source_hash=source_hash,
            created_by=subject,
        )
    )


async def find_version(session: AsyncSession, code: str, version: int, *, lock: bool = False) -> AnyRow | None:
    """One version, or None. With `lock`, its programme is locked: publishing and closing wait for each other."""
    if lock:
        await session.execute(select(ProgrammeRow.code).where(ProgrammeRow.code == code).with_for_update())
    columns = (
        V.programme_code,
        V.version,
        V.state,
        V.valid_from,
        V.valid_until,
        V.document,
        V.source_hash,
        V.created_by,
    )
    return (await session.execute(select(*columns).where(V.programme_code == code, V.version == version))).one_or_none()


async def lock_programme(session: AsyncSession, code: str) -> None:
    """Hold the programme against publication of versions until the transaction ends."""
    await session.execute(select(ProgrammeRow.code).where(ProgrammeRow.code == code).with_for_update())


async def version_in_force(session: AsyncSession, code: str, on: date) -> AnyRow | None:
    """The highest published version that governs a date: (version, document)."""
    statement = (
        select(V.version, V.document)
        .where(V.programme_code == code, V.state == VersionState.PUBLISHED, V.valid_from <= on)
        .where(or_(V.valid_until.is_(None), V.valid_until >= on))
        .order_by(V.version.desc())
        .limit(1)
    )
    return (await session.execute(statement)).one_or_none()


async def rules_in_force(session: AsyncSession, code: str, on: date) -> tuple[int, CompiledProgramme] | None:
    """The same, compiled: number and rules. The document is read once a version and process, not at each question.

    A version never changes, and the hash of its source says which it is.
    """
    statement = (
        select(V.version, V.source_hash)
        .where(V.programme_code == code, V.state == VersionState.PUBLISHED, V.valid_from <= on)
        .where(or_(V.valid_until.is_(None), V.valid_until >= on))
        .order_by(V.version.desc())
        .limit(1)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    known = _BY_SOURCE.get(row.source_hash)
    if known is None:
        stored = await find_version(session, code, row.version)
        assert stored is not None, "versions are never deleted"
        known = compiled(stored.document)
        if len(_BY_SOURCE) >= MAX_KEPT:
            _BY_SOURCE.clear()
        _BY_SOURCE[row.source_hash] = known
    return row.version, known


async def publish(session: AsyncSession, code: str, version: int, subject: str, at: datetime) -> None:
    """Mark a draft as published."""
    await session.execute(
        update(V)
        .where(V.programme_code == code, V.version == version)
        .values(state=VersionState.PUBLISHED, published_by=subject, published_at=at)
    )


async def frozen_periods(session: AsyncSession, code: str, since: date, until: date | None) -> Sequence[str]:
    """Periods already closed (or closing) whose reference date lies in a range of dates; 100 at most."""
    statement = (
        select(CycleRow.period)
        .where(CycleRow.programme_code == code, CycleRow.state.in_([CycleState.CLOSING, CycleState.CLOSED]))
        .where(CycleRow.reference_date >= since)
        .where(true() if until is None else CycleRow.reference_date <= until)
        .order_by(CycleRow.period)
        .limit(100)
    )
    return (await session.scalars(statement)).all()


async def next_telling(session: AsyncSession, code: str) -> int:
    """Number of the next event about a programme."""
    statement = update(ProgrammeRow).where(ProgrammeRow.code == code).values(told=ProgrammeRow.told + 1)
    return int((await session.execute(statement.returning(ProgrammeRow.told))).scalar_one())


async def confirm_rate(
    session: AsyncSession, code: str, version: int, rate: str, digest: str, source: str, subject: str, at: datetime
) -> bool:
    """Record a confirmation; False if the rate of this version is confirmed already."""
    statement = (
        insert(RateConfirmationRow)
        .values(
            programme_code=code,
            version=version,
            rate=rate,
            rate_hash=digest,
            source=source,
            confirmed_by=subject,
            confirmed_at=at,
        )
        .on_conflict_do_nothing()
        .returning(RateConfirmationRow.rate)
    )
    return (await session.execute(statement)).first() is not None


async def confirmations(session: AsyncSession, code: str) -> Sequence[AnyRow]:
    """Every confirmation of a programme: rate, rate_hash, version, source, confirmed_by, confirmed_at."""
    c = RateConfirmationRow
    columns = (c.rate, c.rate_hash, c.version, c.source, c.confirmed_by, c.confirmed_at)
    return (
        await session.execute(select(*columns).where(c.programme_code == code).order_by(c.confirmed_at, c.rate))
    ).all()


async def unconfirmed_rates(session: AsyncSession, code: str, version: int) -> list[str]:
    """Rate tables of a version that its file marks as unconfirmed and whose amounts nobody has confirmed since."""
    stored = await find_version(session, code, version)
    if stored is None:
        return []
    rates = compiled(stored.document).file.rates
    if not any(table.unconfirmed for table in rates.values()):
        return []
    confirmed = {(row.rate, row.rate_hash) for row in await confirmations(session, code)}
    return [name for name, table in rates.items() if table.unconfirmed and (name, table.fingerprint()) not in confirmed]


async def exists(session: AsyncSession, code: str) -> bool:
    """Whether there is such a programme."""
    return await session.scalar(select(ProgrammeRow.code).where(ProgrammeRow.code == code)) is not None


async def list_programmes(session: AsyncSession, after: str | None, limit: int) -> Sequence[AnyRow]:
    """Programmes with names of their last version and number of the last published one."""
    published = func.max(V.version).filter(V.state == VersionState.PUBLISHED)
    summary = (
        select(V.programme_code, published.label("published_version"), func.max(V.version).label("last_version"))
        .group_by(V.programme_code)
        .subquery()
    )
    statement = (
        select(
            summary.c.programme_code.label("code"),
            V.document["names"].label("names"),
            summary.c.last_version,
            summary.c.published_version,
        )
        .join(V, (V.programme_code == summary.c.programme_code) & (V.version == summary.c.last_version))
        .order_by(summary.c.programme_code)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(summary.c.programme_code > after)
    return (await session.execute(statement)).all()


async def unit_of_last(session: AsyncSession, code: str) -> str:
    """The unit of a programme's last published version."""
    statement = (
        select(V.document["unit"].astext)
        .where(V.programme_code == code, V.state == VersionState.PUBLISHED)
        .order_by(V.version.desc())
        .limit(1)
    )
    return str((await session.execute(statement)).scalar_one())


async def list_versions(session: AsyncSession, code: str) -> Sequence[AnyRow]:
    """The last 100 versions, newest first, without their documents."""
    statement = (
        select(
            V.version,
            V.state,
            V.valid_from,
            V.valid_until,
            V.source_hash,
            V.created_by,
            V.created_at,
            V.published_by,
            V.published_at,
        )
        .where(V.programme_code == code)
        .order_by(V.version.desc())
        .limit(100)
    )
    return (await session.execute(statement)).all()
