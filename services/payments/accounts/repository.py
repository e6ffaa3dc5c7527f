"""All SQL of single accounts. The import's is in import_repository.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts.model import NAME_CONTEXT, NUMBER_CONTEXT, AccountStatus, Payee, Sealed, Sealing
from services.payments.accounts.tables import account, account_history
from services.payments.identities.repository import same_as
from services.payments.identities.tables import identity_member
from services.payments.metadata import Record
from shared.crypto import FieldCipher

_HISTORY = (
    "account_id",
    "version",
    "rail",
    "provider",
    "number_encrypted",
    "number_hash",
    "holder_name_encrypted",
    "status",
    "changed_by",
    "reason",
    "proof_kind",
    "proof_reference_encrypted",
)
_PAYEES = text(
    """
    SELECT a.id, a.provider, h.number_encrypted, h.holder_name_encrypted
    FROM payment_attempt a
    JOIN account_history h ON h.account_id = a.account_id AND h.version = a.account_version
    WHERE a.id = ANY(CAST(:attempts AS uuid[]))
    """
)
_CURRENT = text(
    """
    SELECT id, version, rail, provider, token, usable_from, confirmed_by, changed_by, validation FROM account
    WHERE beneficiary_id = ANY(CAST(:same AS uuid[])) AND status = 'active' AND purpose IN (:programme, 'any')
    ORDER BY purpose = 'any', array_position(CAST(:same AS uuid[]), beneficiary_id), preference LIMIT 1
    """
)

_ONE = func.coalesce(identity_member.c.canonical_id, account.c.beneficiary_id)
_ACCOUNTS_OF_ONE = account.outerjoin(identity_member, identity_member.c.id == account.c.beneficiary_id)


async def payees(session: AsyncSession, attempt_ids: Sequence[UUID], cipher: FieldCipher) -> dict[UUID, Payee]:
    """Whom each attempt pays: the account version that was approved, even if it changed since.

    Decryption costs some microseconds each: call it with a batch, in chunks of a few thousand.
    """
    rows = await session.execute(_PAYEES, {"attempts": list(attempt_ids)})
    return {
        row.id: Payee(
            name=cipher.decrypt(bytes(row.holder_name_encrypted), NAME_CONTEXT),
            number=cipher.decrypt(bytes(row.number_encrypted), NUMBER_CONTEXT),
            provider=row.provider,
        )
        for row in rows
    }


async def account_by_id(session: AsyncSession, account_id: UUID, *, lock: bool = False) -> Record | None:
    """One account, locked on request."""
    statement = select(account).where(account.c.id == account_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def current_account(session: AsyncSession, beneficiary_id: UUID, programme_code: str) -> Record | None:
    """The account a programme pays to now: its own purpose before `any`, then by preference.

    Of a beneficiary whose records were merged: the surviving record's own, where it has one of that purpose.
    """
    parameters = {"same": await same_as(session, beneficiary_id), "programme": programme_code}
    return (await session.execute(_CURRENT, parameters)).one_or_none()


async def add_account(
    session: AsyncSession, values: dict[str, Any], sealed: Sealed, actor: str, proof: Sealing | None
) -> Record | None:
    """Store a first version with its history; None when purpose and preference are taken."""
    statement = (
        pg_insert(account)
        .values(**values, **sealed_values(sealed), status=AccountStatus.ACTIVE, changed_by=actor)
        .on_conflict_do_nothing()
        .returning(account)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is not None:
        await _keep_history(session, row.id, actor, "added", proof)
    return row


async def change_account(
    session: AsyncSession, account_id: UUID, values: dict[str, Any], actor: str, reason: str, proof: Sealing | None
) -> Record:
    """Store the next version with its history. The caller holds the row's lock."""
    statement = (
        update(account)
        .where(account.c.id == account_id)
        .values(**values, version=account.c.version + 1, changed_by=actor, confirmed_by=None, updated_at=func.now())
        .returning(account)
    )
    row = (await session.execute(statement)).one()
    await _keep_history(session, account_id, actor, reason, proof)
    return row


async def note(session: AsyncSession, account_id: UUID, **values: Any) -> Record:
    """Note something about the present version (confirmed, validated): no new version."""
    statement = update(account).where(account.c.id == account_id).values(**values, updated_at=func.now())
    return (await session.execute(statement.returning(account))).one()


async def has_account(session: AsyncSession, beneficiary_id: UUID) -> bool:
    """Whether a beneficiary has, or ever had, an account, under any of her records."""
    same = await same_as(session, beneficiary_id)
    statement = select(account.c.id).where(account.c.beneficiary_id.in_(same)).limit(1)
    return (await session.execute(statement)).first() is not None


async def accounts_of(session: AsyncSession, beneficiary_id: UUID) -> Sequence[Record]:
    """Every account of a beneficiary, under any of her records, the closed ones too, in the order in which they are
    paid to."""
    same = await same_as(session, beneficiary_id)
    survives_first = account.c.beneficiary_id != same[0]
    statement = (
        select(account)
        .where(account.c.beneficiary_id.in_(same))
        .order_by(account.c.status, account.c.purpose, survives_first, account.c.preference, account.c.id)
        .limit(200)
    )
    return (await session.execute(statement)).all()


async def history_of(session: AsyncSession, account_id: UUID) -> Sequence[Record]:
    """Every version of an account, newest first."""
    statement = (
        select(account_history)
        .where(account_history.c.account_id == account_id)
        .order_by(account_history.c.version.desc())
        .limit(200)
    )
    return (await session.execute(statement)).all()


async def count_sharing(session: AsyncSession, number_hash: bytes) -> int:
    """How many beneficiaries are paid to this number; records of one count once."""
    statement = (
        select(func.count(func.distinct(_ONE)))
        .select_from(_ACCOUNTS_OF_ONE)
        .where(account.c.number_hash == number_hash, account.c.status == AccountStatus.ACTIVE)
    )
    return (await session.execute(statement)).scalar_one()


async def overshared(session: AsyncSession, limit: int) -> Sequence[bytes]:
    """Hashes of the numbers that serve more than `limit` beneficiaries: one pass over the accounts."""
    statement = (
        select(account.c.number_hash)
        .select_from(_ACCOUNTS_OF_ONE)
        .where(account.c.status == AccountStatus.ACTIVE)
        .group_by(account.c.number_hash)
        .having(func.count(func.distinct(_ONE)) > limit)
    )
    return [bytes(found) for found in await session.scalars(statement)]


def sealed_values(sealed: Sealed) -> dict[str, bytes | None]:
    """The columns of a sealed number and name."""
    return {
        "holder_name_hash": sealed.holder_name_hash,
        "holder_born_encrypted": sealed.holder_born_encrypted,
        "number_encrypted": sealed.number_encrypted,
        "number_hash": sealed.number_hash,
        "holder_name_encrypted": sealed.holder_name_encrypted,
    }


async def _keep_history(
    session: AsyncSession, account_id: UUID, actor: str, reason: str, proof: Sealing | None
) -> None:
    source = select(
        account.c.id,
        account.c.version,
        account.c.rail,
        account.c.provider,
        account.c.number_encrypted,
        account.c.number_hash,
        account.c.holder_name_encrypted,
        account.c.status,
        literal(actor, account_history.c.changed_by.type),
        literal(reason, account_history.c.reason.type),
        literal(proof.kind if proof else None, account_history.c.proof_kind.type),
        literal(proof.reference if proof else None, account_history.c.proof_reference_encrypted.type),
    ).where(account.c.id == account_id)
    await session.execute(insert(account_history).from_select(list(_HISTORY), source))
