"""All SQL of the account mapper: set-wise, whatever the number of payees in a request.

A payee's account is one of the ordinary accounts, with the source's programme as its purpose: a source can never touch
the account that our own programmes pay to.

Payees whose records were merged are one beneficiary with one account in force, the survivor's before the others': the
one that a payment list pays to (`identities.list_repository`). Undoing the merge gives each its own again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.payees.model import SealedPayee
from services.payments.edges.sources.model import Source
from services.payments.metadata import Record

_ADD = text(
    """
    WITH incoming AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS bytea[]), CAST(:sealed AS bytea[]),
            CAST(:references AS text[]), CAST(:known AS text[])) AS s(id, id_hash, id_encrypted, reference, known)
    ), ours AS MATERIALIZED (
        SELECT DISTINCT ON (n.beneficiary_reference) n.beneficiary_reference, n.beneficiary_id, n.village_code
        FROM enrolment n WHERE n.beneficiary_reference = ANY(CAST(:asked AS text[]))
        ORDER BY n.beneficiary_reference, n.effective_on DESC, n.version DESC
    ), added AS (
        INSERT INTO external_payee (id, source_code, id_hash, id_encrypted, reference, beneficiary_id, village_code,
            status)
        SELECT i.id, :source, i.id_hash, i.id_encrypted, COALESCE(o.beneficiary_reference, i.reference),
               COALESCE(o.beneficiary_id, i.id), COALESCE(o.village_code, :place), 'active'
        FROM incoming i LEFT JOIN ours o ON o.beneficiary_reference = i.known
        ON CONFLICT (source_code, id_hash) DO NOTHING
        RETURNING *
    ), enrolled AS (
        INSERT INTO enrolment (id, programme_code, beneficiary_id, beneficiary_reference, village_code, effective_on,
            status, version)
        SELECT a.id, :programme, a.beneficiary_id, a.reference, a.village_code, CAST(:today AS date), 'approved', 1
        FROM added a WHERE a.id = a.beneficiary_id
        ON CONFLICT (id) DO NOTHING
    )
    SELECT id_hash FROM added
    """
)
_FIND = text(
    """
    SELECT p.id, p.id_hash, p.status, p.beneficiary_id, p.reference, p.village_code, a.id AS account_id, a.rail,
           a.provider, a.number_hash, a.number_encrypted
    FROM external_payee p
    LEFT JOIN account a ON a.id = account_in_force(p.beneficiary_id, :programme)
    WHERE p.source_code = :source AND p.id_hash = ANY(CAST(:hashes AS bytea[]))
    """
)
_PUT_ACCOUNTS = text(
    """
    WITH incoming AS MATERIALIZED (
        SELECT p.beneficiary_id, p.village_code, account_in_force(p.beneficiary_id, :programme) AS account_id, s.*
        FROM unnest(CAST(:hashes AS bytea[]), CAST(:rails AS text[]),
            CAST(:providers AS text[]), CAST(:numbers AS bytea[]), CAST(:number_hashes AS bytea[]),
            CAST(:names AS bytea[]), CAST(:name_hashes AS bytea[]))
            AS s(id_hash, rail, provider, number_encrypted, number_hash, name_encrypted, name_hash)
        JOIN external_payee p ON p.source_code = :source AND p.id_hash = s.id_hash
    ), changed AS (
        UPDATE account AS a SET rail = i.rail, provider = i.provider, number_encrypted = i.number_encrypted,
            number_hash = i.number_hash, holder_name_encrypted = i.name_encrypted, holder_name_hash = i.name_hash,
            version = a.version + 1, changed_by = :actor, confirmed_by = NULL, validation = 'unknown',
            usable_from = CAST(:usable_from AS timestamptz), verified_at = NULL, updated_at = now()
        FROM incoming i
        WHERE a.id = i.account_id
          AND (a.rail, a.provider, a.number_hash) IS DISTINCT FROM (i.rail, i.provider, i.number_hash)
        RETURNING a.*
    ), added AS (
        INSERT INTO account (beneficiary_id, rail, provider, number_encrypted, number_hash, holder_name_encrypted,
            holder_name_hash, purpose, status, village_code, changed_by)
        SELECT i.beneficiary_id, i.rail, i.provider, i.number_encrypted, i.number_hash, i.name_encrypted, i.name_hash,
               :programme, 'active', i.village_code, :actor
        FROM incoming i WHERE i.account_id IS NULL
        RETURNING *
    )
    INSERT INTO account_history (account_id, version, rail, provider, number_encrypted, number_hash,
        holder_name_encrypted, status, changed_by, reason)
    SELECT id, version, rail, provider, number_encrypted, number_hash, holder_name_encrypted, status, :actor, :reason
    FROM (SELECT * FROM changed UNION ALL SELECT * FROM added) AS both_kinds
    RETURNING account_id
    """
)
_SET_STATUS = text(
    """
    UPDATE external_payee p SET status = CASE WHEN s.active THEN 'active' ELSE 'inactive' END, version = version + 1,
        updated_at = now()
    FROM unnest(CAST(:hashes AS bytea[]), CAST(:actives AS boolean[])) AS s(id_hash, active)
    WHERE p.source_code = :source AND p.id_hash = s.id_hash
      AND p.status <> CASE WHEN s.active THEN 'active' ELSE 'inactive' END
    """
)
_CLOSE = text(
    """
    WITH found AS MATERIALIZED (
        SELECT account_in_force(p.beneficiary_id, :programme) AS id FROM external_payee p
        WHERE p.source_code = :source AND p.id_hash = ANY(CAST(:hashes AS bytea[]))
    ), closed AS (
        UPDATE account a SET status = 'closed', version = a.version + 1, updated_at = now()
        FROM found f WHERE a.id = f.id
        RETURNING a.*
    )
    INSERT INTO account_history (account_id, version, rail, provider, number_encrypted, number_hash,
        holder_name_encrypted, status, changed_by, reason)
    SELECT id, version, rail, provider, number_encrypted, number_hash, holder_name_encrypted, status, :actor, 'unlinked'
    FROM closed
    """
)
_BY_ADDRESS = text(
    """
    SELECT a.number_hash, p.id_hash FROM account a
    LEFT JOIN identity_member m ON m.id = a.beneficiary_id
    JOIN external_payee p ON p.source_code = :source AND p.beneficiary_id IN (
        SELECT a.beneficiary_id UNION ALL SELECT o.id FROM identity_member o WHERE o.canonical_id = m.canonical_id)
    WHERE a.number_hash = ANY(CAST(:hashes AS bytea[])) AND a.purpose = :programme AND a.status = 'active'
    """
)


async def add(session: AsyncSession, source: Source, programme: str, payees: Sequence[SealedPayee], today: Any) -> int:
    """Store payees that are new to the source; each unknown to us is enrolled in the source's programme.

    Returns:
        How many were new.
    """
    if not payees:
        return 0
    values = {
        "ids": [payee.id for payee in payees],
        "hashes": [payee.id_hash for payee in payees],
        "sealed": [payee.id_encrypted for payee in payees],
        "references": [payee.reference for payee in payees],
        "known": [payee.known for payee in payees],
        "asked": sorted({payee.known for payee in payees if payee.known}),
        "source": source.code,
        "place": source.place_code,
        "programme": programme,
        "today": today,
    }
    return len((await session.execute(_ADD, values)).all())


async def find(session: AsyncSession, source: str, programme: str, hashes: Sequence[bytes]) -> dict[bytes, Record]:
    """The payees of these ids, each with its active account for this programme, if there is one."""
    values = {"source": source, "programme": programme, "hashes": list(hashes)}
    return {bytes(row.id_hash): row for row in await session.execute(_FIND, values)}


async def put_accounts(
    session: AsyncSession,
    source: str,
    programme: str,
    payees: Sequence[SealedPayee],
    *,
    actor: str,
    reason: str,
    usable_from: datetime,
) -> list[UUID]:
    """Give payees their accounts: new ones added, others changed to the next version, equal ones left alone.

    A changed one is not paid to before `usable_from`, unless an officer confirms it: the ordinary cooling-off.
    """
    given = [payee for payee in payees if payee.address is not None and payee.sealed is not None]
    if not given:
        return []
    values = {
        "hashes": [payee.id_hash for payee in given],
        "rails": [payee.address.rail for payee in given if payee.address],
        "providers": [payee.address.provider for payee in given if payee.address],
        "numbers": [payee.sealed.number_encrypted for payee in given if payee.sealed],
        "number_hashes": [payee.sealed.number_hash for payee in given if payee.sealed],
        "names": [payee.sealed.holder_name_encrypted for payee in given if payee.sealed],
        "source": source,
        "programme": programme,
        "name_hashes": [payee.sealed.holder_name_hash for payee in given if payee.sealed],
        "usable_from": usable_from,
        "actor": actor,
        "reason": reason,
    }
    return list((await session.execute(_PUT_ACCOUNTS, values)).scalars())


async def set_status(session: AsyncSession, source: str, states: Sequence[tuple[bytes, bool]]) -> None:
    """Switch payees on or off: (id hash, active)."""
    if states:
        values = {"source": source, "hashes": [key for key, _ in states], "actives": [active for _, active in states]}
        await session.execute(_SET_STATUS, values)


async def close_accounts(
    session: AsyncSession, source: str, programme: str, hashes: Sequence[bytes], actor: str
) -> None:
    """Close the accounts of these payees for this programme; history stays."""
    values = {"source": source, "programme": programme, "hashes": list(hashes), "actor": actor}
    await session.execute(_CLOSE, values)


async def by_address(
    session: AsyncSession, source: str, programme: str, number_hashes: Sequence[bytes]
) -> dict[bytes, list[bytes]]:
    """Which of the source's payees (id hashes) are paid at these addresses (number hashes)."""
    found: dict[bytes, list[bytes]] = {}
    values = {"source": source, "programme": programme, "hashes": list(number_hashes)}
    for row in await session.execute(_BY_ADDRESS, values):
        found.setdefault(bytes(row.number_hash), []).append(bytes(row.id_hash))
    return found
