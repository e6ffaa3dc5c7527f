"""All SQL of employers and their insured workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Principal

_ADD: Final = text("""
    INSERT INTO employer (id, reference, name, registration_hash, registration_cipher, sector, place_code,
      account_subject, created_at)
    VALUES (:id, :reference, :name, :hash, :cipher, :sector, :place_code, :account_subject, :now)
    ON CONFLICT (registration_hash) DO NOTHING RETURNING id""")
_FIND: Final = text("SELECT * FROM employer WHERE id = :id")
_LIST: Final = text("""
    SELECT * FROM employer e
    WHERE (CAST(:account AS text) IS NULL OR e.account_subject = :account)
      AND (CAST(:account AS text) IS NOT NULL OR EXISTS (
        SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(e.place_code, area)))
      AND (CAST(:after AS uuid) IS NULL OR e.id > :after)
    ORDER BY e.id LIMIT :limit""")
_OWNERS: Final = text("""
    SELECT i.hash, i.owner_id, p.alive, m.household_id
    FROM unnest(CAST(:hashes AS bytea[])) AS given (hash)
    JOIN identifier i ON i.type = 'national_id' AND i.hash = given.hash AND i.withdrawn_at IS NULL
    JOIN person p ON p.id = i.owner_id
    LEFT JOIN membership m ON m.person_id = p.id AND m.valid_until IS NULL""")
_INSURED: Final = text("""
    SELECT person_id FROM insured_worker
    WHERE employer_id = :employer AND insured_until IS NULL AND person_id = ANY (CAST(:people AS uuid[]))""")
_INSURE: Final = text("""
    INSERT INTO insured_worker (id, employer_id, person_id, insured_from, recorded_by, recorded_at)
    SELECT uuidv7(), :employer, id, :since, :by, :now FROM unnest(CAST(:people AS uuid[])) AS given (id)
    ON CONFLICT (person_id, employer_id) WHERE insured_until IS NULL DO NOTHING""")
_LINK: Final = text("""
    UPDATE person SET employer_id = :employer, insured = true,
      employment = CASE employment WHEN 'none' THEN 'full_time' ELSE employment END
    WHERE id = ANY (CAST(:people AS uuid[]))""")
# Another employer may still insure her.
_UNLINK: Final = text("""
    UPDATE person AS p SET
      employer_id = (SELECT w.employer_id FROM insured_worker w WHERE w.person_id = p.id AND w.insured_until IS NULL
        ORDER BY w.insured_from DESC LIMIT 1),
      insured = EXISTS (SELECT FROM insured_worker w WHERE w.person_id = p.id AND w.insured_until IS NULL)
    WHERE p.id = :person""")
_TOUCH: Final = text("""
    UPDATE household SET version = version + 1, effective_on = :day, updated_at = :now
    WHERE id = ANY (CAST(:households AS uuid[])) RETURNING id""")
_END: Final = text("""
    UPDATE insured_worker SET insured_until = :until
    WHERE employer_id = :employer AND person_id = :person AND insured_until IS NULL AND insured_from <= :until
    RETURNING id""")
_HOUSEHOLD: Final = text("SELECT household_id FROM membership WHERE person_id = :person AND valid_until IS NULL")
_WORKERS: Final = text("""
    SELECT id, person_id, insured_from, insured_until FROM insured_worker
    WHERE employer_id = :employer AND (CAST(:after AS uuid) IS NULL OR id > :after) ORDER BY id LIMIT :limit""")
_CONSENT: Final = text("""
    INSERT INTO consent (id, person_id, purpose, scope, given_on, means, recorded_by, recorded_at)
    SELECT uuidv7(), person, 'employer_link', 'insured_workers', :day, means, :by, :now
    FROM unnest(CAST(:people AS uuid[]), CAST(:means AS text[])) AS given (person, means)
    ON CONFLICT (person_id, purpose, scope) WHERE withdrawn_on IS NULL DO NOTHING""")


async def add_employer(session: AsyncSession, **values: Any) -> bool:
    """Write an employer. Returns whether its number was free."""
    return await session.scalar(_ADD, values) is not None


async def find_employer(session: AsyncSession, employer_id: UUID) -> Row[Any] | None:
    """An employer."""
    return (await session.execute(_FIND, {"id": employer_id})).one_or_none()


async def list_employers(
    session: AsyncSession, principal: Principal, account: str | None, after: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Employers of an account, or of the caller's area."""
    values = {"account": account, "areas": list(principal.areas), "after": after, "limit": limit}
    return (await session.execute(_LIST, values)).all()


async def owners(session: AsyncSession, hashes: Sequence[bytes]) -> dict[bytes, Row[Any]]:
    """Who holds these identity numbers, with the household of each: one look for all."""
    return {bytes(row.hash): row for row in await session.execute(_OWNERS, {"hashes": list(hashes)})}


async def insured(session: AsyncSession, employer_id: UUID, people: Sequence[UUID]) -> set[UUID]:
    """Which of these are insured with the employer now."""
    return set(await session.scalars(_INSURED, {"employer": employer_id, "people": list(people)}))


async def insure(
    session: AsyncSession, employer_id: UUID, people: Sequence[UUID], since: date, by: str, now: datetime
) -> None:
    """Insure these persons with the employer."""
    values = {"employer": employer_id, "people": list(people), "since": since, "by": by, "now": now}
    await session.execute(_INSURE, values)


async def link(session: AsyncSession, employer_id: UUID, people: Sequence[UUID]) -> None:
    """Show on the persons where they work."""
    await session.execute(_LINK, {"employer": employer_id, "people": list(people)})


async def unlink(session: AsyncSession, person_id: UUID) -> None:
    """Show on the person which employer insures her still, if any."""
    await session.execute(_UNLINK, {"person": person_id})


async def touch(session: AsyncSession, households: Sequence[UUID], day: date, now: datetime) -> list[UUID]:
    """Give households their next version: something about their members changed."""
    return list(await session.scalars(_TOUCH, {"households": list(households), "day": day, "now": now}))


async def end(session: AsyncSession, employer_id: UUID, person_id: UUID, until: date) -> bool:
    """End an insurance. Returns whether there was one."""
    return await session.scalar(_END, {"employer": employer_id, "person": person_id, "until": until}) is not None


async def household_of(session: AsyncSession, person_id: UUID) -> UUID | None:
    """Where a person is a present member."""
    found: UUID | None = await session.scalar(_HOUSEHOLD, {"person": person_id})
    return found


async def list_workers(session: AsyncSession, employer_id: UUID, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """Workers of an employer, past ones too."""
    return (await session.execute(_WORKERS, {"employer": employer_id, "after": after, "limit": limit})).all()


async def add_consents(
    session: AsyncSession, people: Sequence[UUID], means: Sequence[str], day: date, by: str, now: datetime
) -> None:
    """Record that these workers consented to the link."""
    values = {"people": list(people), "means": list(means), "day": day, "by": by, "now": now}
    await session.execute(_CONSENT, values)
