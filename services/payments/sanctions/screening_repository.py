"""All SQL of screening: entries, which accounts were screened against which list, hits and what people decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record
from shared.auth import NATIONAL, Principal
from shared.db import copy_records

_NEWEST: Final = text("SELECT number, names FROM sanction_list ORDER BY number DESC LIMIT 1")
_ENTRIES: Final = text("SELECT entry_hash, reference, entry_encrypted FROM sanction_entry")
_DROP: Final = text("DELETE FROM sanction_entry")
_STAGE: Final = text(
    "CREATE TEMP TABLE new_entry (entry_hash bytea, reference text, entry_encrypted bytea) ON COMMIT DROP"
)
_KEEP: Final = text(
    """
    INSERT INTO sanction_entry (list_number, entry_hash, reference, entry_encrypted)
    SELECT DISTINCT ON (entry_hash) CAST(:number AS integer), entry_hash, reference, entry_encrypted FROM new_entry
    """
)
_GONE: Final = text(
    """
    UPDATE sanction_hit h SET in_force = false, version = version + 1
    WHERE h.in_force AND NOT EXISTS (SELECT FROM sanction_entry e WHERE e.entry_hash = h.entry_hash)
    """
)
_OF_CHUNK: Final = text(
    """
    WITH paid AS MATERIALIZED (
        SELECT e.beneficiary_id AS id FROM entitlement e
        WHERE e.cycle_id = :cycle AND e.payment_id > :after AND e.payment_id <= :until
        UNION
        SELECT s.id FROM entitlement e JOIN identity_member m ON m.id = e.beneficiary_id
        JOIN identity_member s ON s.canonical_id = m.canonical_id
        WHERE e.cycle_id = :cycle AND e.payment_id > :after AND e.payment_id <= :until
    )
    SELECT a.id, a.version, a.beneficiary_id, a.village_code, a.holder_name_encrypted, a.holder_born_encrypted
    FROM paid JOIN account a ON a.beneficiary_id = paid.id AND a.status = 'active'
    LEFT JOIN sanction_screen s ON s.account_id = a.id
    WHERE (s.account_version, s.list_number) IS DISTINCT FROM (a.version, CAST(:number AS integer))
    """
)
_NEXT: Final = text(
    """
    SELECT a.id, a.version, a.beneficiary_id, a.village_code, a.holder_name_encrypted, a.holder_born_encrypted
    FROM account a LEFT JOIN sanction_screen s ON s.account_id = a.id
    WHERE a.status = 'active' AND a.id > :after
      AND (s.account_version, s.list_number) IS DISTINCT FROM (a.version, CAST(:number AS integer))
    ORDER BY a.id LIMIT :most
    """
)
_SCREENED: Final = text(
    """
    INSERT INTO sanction_screen (account_id, account_version, list_number)
    SELECT id, version, CAST(:number AS integer)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS s(id, version) ORDER BY id
    ON CONFLICT (account_id) DO UPDATE
        SET account_version = excluded.account_version, list_number = excluded.list_number
    """
)
# What a person was cleared of stays cleared while the entry says the same and so does what is known of her: also on
# another of her accounts. When either changes, it is another pair, and somebody looks again.
_HIT: Final = text(
    """
    INSERT INTO sanction_hit (account_id, entry_hash, account_version, person_hash, beneficiary_id, village_code,
        reference, score, reasons, list_number, status, proposed_by, reason, decided_by, decided_at)
    SELECT f.account_id, f.entry_hash, f.version, f.person_hash, f.beneficiary_id, f.village_code, f.reference, f.score,
           string_to_array(f.reasons, ','), :number, COALESCE(c.status, 'open'), c.proposed_by, c.reason, c.decided_by,
           c.decided_at
    FROM unnest(CAST(:accounts AS uuid[]), CAST(:entries AS bytea[]), CAST(:versions AS integer[]),
                CAST(:persons AS bytea[]), CAST(:beneficiaries AS uuid[]), CAST(:villages AS text[]),
                CAST(:references AS text[]), CAST(:scores AS numeric[]), CAST(:reasons AS text[]))
         AS f(account_id, entry_hash, version, person_hash, beneficiary_id, village_code, reference, score, reasons)
    LEFT JOIN LATERAL (
        SELECT h.status, h.proposed_by, h.reason, h.decided_by, h.decided_at FROM sanction_hit h
        WHERE h.beneficiary_id = f.beneficiary_id AND h.person_hash = f.person_hash AND h.entry_hash = f.entry_hash
          AND h.status = 'cleared' ORDER BY h.id LIMIT 1) AS c ON true
    ON CONFLICT (account_id, entry_hash) DO UPDATE
        SET account_version = excluded.account_version, score = excluded.score, reasons = excluded.reasons,
            list_number = excluded.list_number, in_force = true, person_hash = excluded.person_hash,
            version = sanction_hit.version + 1,
            status = CASE WHEN sanction_hit.person_hash = excluded.person_hash THEN sanction_hit.status
                          ELSE excluded.status END
    """
)
_NO_MORE: Final = text(
    """
    UPDATE sanction_hit h SET in_force = false, version = h.version + 1
    FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS s(id, version)
    WHERE h.account_id = s.id AND h.in_force
      AND (h.account_version, h.list_number) IS DISTINCT FROM (s.version, CAST(:number AS integer))
    """
)
_BY_ID: Final = text("SELECT * FROM sanction_hit WHERE id = :id")
_LOCK: Final = text("SELECT * FROM sanction_hit WHERE id = :id FOR UPDATE")
_PAGE: Final = text(
    """
    SELECT * FROM sanction_hit h
    WHERE h.id > :after AND h.in_force AND (CAST(:status AS text) IS NULL OR h.status = :status)
      AND EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) AS a(prefix)
                  WHERE a.prefix = :everywhere OR starts_with(h.village_code, a.prefix))
    ORDER BY h.id LIMIT :most
    """
)
_PEOPLE: Final = text(
    """
    SELECT a.holder_name_encrypted, a.holder_born_encrypted, e.entry_encrypted
    FROM sanction_hit h JOIN account a ON a.id = h.account_id
    LEFT JOIN sanction_entry e ON e.entry_hash = h.entry_hash WHERE h.id = :id
    """
)
# One person's word on a pair holds for every account of hers that the same entry was found for.
_DECIDE: Final = text(
    """
    UPDATE sanction_hit h SET status = :status, proposed_by = :proposed_by, reason = :reason, decided_by = :decided_by,
        decided_at = :at, version = h.version + 1
    FROM sanction_hit one
    WHERE one.id = :id AND h.beneficiary_id = one.beneficiary_id AND h.person_hash = one.person_hash
      AND h.entry_hash = one.entry_hash
    """
)


async def newest_list(session: AsyncSession) -> tuple[int, int]:
    """(number, names) of the list in force; (0, 0) when none was loaded."""
    row = (await session.execute(_NEWEST)).one_or_none()
    return (0, 0) if row is None else (row.number, row.names)


async def replace_entries(session: AsyncSession, number: int, rows: Sequence[tuple[bytes, str, bytes]]) -> None:
    """Replace the entries by (hash, reference, sealed entry); hits of entries that are gone are in force no more."""
    await session.execute(_DROP)
    await session.execute(_STAGE)
    await copy_records(session, "new_entry", ["entry_hash", "reference", "entry_encrypted"], rows)
    await session.execute(_KEEP, {"number": number})
    await session.execute(_GONE)


async def entries(session: AsyncSession) -> Sequence[Record]:
    """Every entry of the list in force: some tens of thousands."""
    return (await session.execute(_ENTRIES)).all()


async def unscreened_of_chunk(
    session: AsyncSession, number: int, cycle_id: UUID, after: UUID, until: UUID
) -> Sequence[Record]:
    """Active accounts of those a chunk of a list would pay that were not screened, as they are, against this list."""
    values = {"number": number, "cycle": cycle_id, "after": after, "until": until}
    return (await session.execute(_OF_CHUNK, values)).all()


async def next_unscreened(session: AsyncSession, number: int, after: UUID, most: int) -> Sequence[Record]:
    """The same of all accounts, by id."""
    return (await session.execute(_NEXT, {"number": number, "after": after, "most": most})).all()


async def keep_screened(
    session: AsyncSession, number: int, ids: Sequence[UUID], versions: Sequence[int], hits: Mapping[str, Sequence[Any]]
) -> None:
    """Note that these account versions were screened, what was found, and what is found no more."""
    screened = {"number": number, "ids": list(ids), "versions": list(versions)}
    if hits["accounts"]:
        await session.execute(_HIT, {"number": number, **{name: list(found) for name, found in hits.items()}})
    await session.execute(_NO_MORE, screened)
    await session.execute(_SCREENED, screened)


async def hit_by_id(session: AsyncSession, hit_id: UUID, *, lock: bool = False) -> Record | None:
    """One hit, locked on request."""
    return (await session.execute(_LOCK if lock else _BY_ID, {"id": hit_id})).one_or_none()


async def hits(
    session: AsyncSession, principal: Principal, status: str | None, after: UUID, most: int
) -> Sequence[Record]:
    """Hits in force in the caller's area, by id."""
    values = {"status": status, "after": after, "most": most, "areas": list(principal.areas), "everywhere": NATIONAL}
    return (await session.execute(_PAGE, values)).all()


async def people_of(session: AsyncSession, hit_id: UUID) -> Record:
    """The sealed account holder and the sealed entry of a hit; the entry is None when it is on the list no more."""
    return (await session.execute(_PEOPLE, {"id": hit_id})).one()


async def decide(session: AsyncSession, hit_id: UUID, **values: Any) -> Record:
    """Write a decision to the pair of a hit whose row is locked; the hit as it is then."""
    await session.execute(_DECIDE, {"id": hit_id, **values})
    return (await session.execute(_BY_ID, {"id": hit_id})).one()
