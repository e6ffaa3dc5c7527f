"""All SQL of account imports: staged by COPY, validated and applied set-wise, in chunks of lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts.tables import account_import, account_import_finding
from services.payments.metadata import Record
from shared.db import copy_records

ROW_COLUMNS = (
    "import_id",
    "line",
    "beneficiary_id",
    "rail",
    "provider",
    "number_encrypted",
    "number_hash",
    "holder_name_encrypted",
    "holder_name_hash",
    "purpose",
    "holder_born_encrypted",
)
FINDING_COLUMNS = ("import_id", "line", "field", "code", "message", "severity")

_PLACE = text(
    """
    UPDATE account_import_row AS r SET village_code = COALESCE(
        (SELECT n.village_code FROM enrolment n WHERE n.beneficiary_id = r.beneficiary_id
         ORDER BY n.effective_on DESC, n.version DESC LIMIT 1),
        (SELECT e.village_code FROM entitlement e WHERE e.beneficiary_id = r.beneficiary_id
         ORDER BY e.period DESC, e.version DESC LIMIT 1))
    WHERE r.import_id = :import
    """
)
_FIND = text(
    """
    INSERT INTO account_import_finding (import_id, line, field, code, message, severity)
    SELECT r.import_id, r.line, 'beneficiary_id', 'unknown_beneficiary',
           'No enrolment or entitlement of this beneficiary is known here.', 'error'
    FROM account_import_row r WHERE r.import_id = :import AND r.village_code IS NULL
    UNION ALL
    SELECT r.import_id, r.line, 'beneficiary_id', 'outside_area', 'This beneficiary lives outside your area.', 'error'
    FROM account_import_row r
    WHERE r.import_id = :import AND r.village_code IS NOT NULL
      AND NOT EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) AS a(prefix)
                      WHERE a.prefix = '*' OR starts_with(r.village_code, a.prefix))
    UNION ALL
    SELECT d.import_id, d.line, 'beneficiary_id', 'repeated_in_file',
           'An earlier line of this file has the same beneficiary and purpose.', 'error'
    FROM (SELECT import_id, line, row_number() OVER (PARTITION BY beneficiary_id, purpose ORDER BY line) AS nth
          FROM account_import_row WHERE import_id = :import) AS d
    WHERE d.nth > 1
    ON CONFLICT DO NOTHING
    """
)
_APPLY = text(
    """
    WITH incoming AS MATERIALIZED (
        SELECT r.* FROM account_import_row r
        WHERE r.import_id = :import AND r.line > :after AND r.line <= :until
          AND NOT EXISTS (SELECT FROM account_import_finding f
                          WHERE f.import_id = r.import_id AND f.line = r.line AND f.severity = 'error')
        ORDER BY r.line
    ), changed AS (
        UPDATE account AS a
        SET rail = i.rail, provider = i.provider, number_encrypted = i.number_encrypted, number_hash = i.number_hash,
            holder_name_encrypted = i.holder_name_encrypted, holder_name_hash = i.holder_name_hash,
            holder_born_encrypted = i.holder_born_encrypted, village_code = i.village_code, version = a.version + 1,
            verified_at = NULL, validation = 'unknown', changed_by = :actor, confirmed_by = NULL,
            usable_from = :usable_from, updated_at = now()
        FROM incoming i
        WHERE a.beneficiary_id = i.beneficiary_id AND a.purpose = i.purpose AND a.preference = 1
          AND a.status = 'active' AND (a.rail, a.provider, a.number_hash) IS DISTINCT FROM (i.rail, i.provider,
          i.number_hash)
        RETURNING a.*
    ), added AS (
        INSERT INTO account (beneficiary_id, rail, provider, number_encrypted, number_hash, holder_name_encrypted,
                             holder_name_hash, holder_born_encrypted, purpose, status, village_code, changed_by,
                             usable_from)
        SELECT i.beneficiary_id, i.rail, i.provider, i.number_encrypted, i.number_hash, i.holder_name_encrypted,
               i.holder_name_hash, i.holder_born_encrypted, i.purpose, 'active', i.village_code, :actor,
               CASE WHEN EXISTS (SELECT FROM account o WHERE o.beneficiary_id = i.beneficiary_id)
                      OR EXISTS (SELECT FROM identity_member m JOIN identity_member s ON s.canonical_id = m.canonical_id
                                 JOIN account o ON o.beneficiary_id = s.id WHERE m.id = i.beneficiary_id)
                    THEN CAST(:usable_from AS timestamptz) END
        FROM incoming i
        WHERE NOT EXISTS (SELECT FROM account a WHERE a.beneficiary_id = i.beneficiary_id AND a.purpose = i.purpose
                          AND a.preference = 1 AND a.status = 'active')
        RETURNING *
    ), kept AS (
        INSERT INTO account_history (account_id, version, rail, provider, number_encrypted, number_hash,
                                     holder_name_encrypted, status, changed_by, reason)
        SELECT id, version, rail, provider, number_encrypted, number_hash, holder_name_encrypted, status, :actor,
               'import'
        FROM (SELECT * FROM changed UNION ALL SELECT * FROM added) AS both_kinds
        RETURNING account_id
    )
    SELECT (SELECT count(*) FROM incoming) AS incoming, (SELECT count(*) FROM kept) AS written
    """
)
_FLAG = text(
    """
    INSERT INTO account_import_finding (import_id, line, field, code, message, severity)
    SELECT r.import_id, r.line, 'account_number', 'shared_account',
           'This number serves more beneficiaries than allowed: none of them is put on a payment list.', 'warning'
    FROM account_import_row r
    JOIN (SELECT a.number_hash FROM account a LEFT JOIN identity_member m ON m.id = a.beneficiary_id
          WHERE a.status = 'active'
            AND a.number_hash IN (SELECT number_hash FROM account_import_row WHERE import_id = :import)
          GROUP BY a.number_hash HAVING count(DISTINCT COALESCE(m.canonical_id, a.beneficiary_id)) > :limit) AS shared
      ON shared.number_hash = r.number_hash
    WHERE r.import_id = :import
    ON CONFLICT DO NOTHING
    """
)
_FINISH = text(
    """
    UPDATE account_import AS i SET finished_at = now(),
        rejected = (SELECT count(DISTINCT line) FROM account_import_finding
                    WHERE import_id = i.id AND severity = 'error'),
        flagged = (SELECT count(DISTINCT line) FROM account_import_finding
                   WHERE import_id = i.id AND severity = 'warning')
    WHERE i.id = :import
    """
)
_UNSTAGE = text("DELETE FROM account_import_row WHERE import_id = :import")


async def add_import(session: AsyncSession, import_id: UUID, actor: str, areas: Sequence[str]) -> None:
    """Open an import; its total is set when the file has been read."""
    await session.execute(insert(account_import).values(id=import_id, created_by=actor, areas=list(areas), total=0))


async def set_total(session: AsyncSession, import_id: UUID, total: int) -> None:
    """Note how many lines the file had, the heading not counted."""
    await session.execute(update(account_import).where(account_import.c.id == import_id).values(total=total))


async def stage(session: AsyncSession, rows: Iterable[tuple[Any, ...]], findings: Iterable[tuple[Any, ...]]) -> None:
    """COPY sealed rows and the findings of lines that could not be read."""
    await copy_records(session, "account_import_row", ROW_COLUMNS, rows)
    await copy_records(session, "account_import_finding", FINDING_COLUMNS, findings)


async def import_by_id(session: AsyncSession, import_id: UUID, *, lock: bool = False) -> Record | None:
    """One import, locked on request."""
    statement = select(account_import).where(account_import.c.id == import_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def validate_import(session: AsyncSession, import_id: UUID, areas: Sequence[str]) -> None:
    """Find the lines that cannot be applied: three statements for the whole file."""
    await session.execute(_PLACE, {"import": import_id})
    await session.execute(_FIND, {"import": import_id, "areas": list(areas)})
    await session.execute(update(account_import).where(account_import.c.id == import_id).values(applied_line=1))


async def apply_lines(
    session: AsyncSession, import_id: UUID, after: int, until: int, actor: str, usable_from: datetime
) -> None:
    """Add or change the accounts of lines in (after, until]; a line equal to what is stored changes nothing.

    A changed account, or a further one, is not paid to before `usable_from`, unless a second person confirms it.
    """
    parameters = {"import": import_id, "after": after, "until": until, "actor": actor, "usable_from": usable_from}
    counts = (await session.execute(_APPLY, parameters)).one()
    await session.execute(
        update(account_import)
        .where(account_import.c.id == import_id)
        .values(
            applied_line=until,
            accepted=account_import.c.accepted + counts.written,
            unchanged=account_import.c.unchanged + counts.incoming - counts.written,
        )
    )


async def finish_import(session: AsyncSession, import_id: UUID, limit: int) -> None:
    """Flag numbers that serve too many, count, and forget the staged rows."""
    await session.execute(_FLAG, {"import": import_id, "limit": limit})
    await session.execute(_FINISH, {"import": import_id})
    await session.execute(_UNSTAGE, {"import": import_id})


async def findings_of(
    session: AsyncSession, import_id: UUID, after: tuple[int, str, str] | None, limit: int
) -> Sequence[Record]:
    """Findings in line order, after a (line, field, code)."""
    found = account_import_finding.c
    condition = found.import_id == import_id
    if after is not None:
        condition = and_(condition, tuple_(found.line, found.field, found.code) > after)
    statement = (
        select(found.line, found.field, found.code, found.message, found.severity)
        .where(condition)
        .order_by(found.line, found.field, found.code)
        .limit(limit)
    )
    return (await session.execute(statement)).all()
