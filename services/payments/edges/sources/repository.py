"""All SQL of sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.sources.model import Source, read_keys
from services.payments.metadata import Record

_ADD = text(
    """
    INSERT INTO external_source (code, name, subject, programme_code, voucher_programme_code, funding_line, place_code,
        sender_id, payer_address, keys, callback_origins, created_by, changed_by)
    VALUES (:code, :name, :subject, :programme_code, :voucher_programme_code, :funding_line, :place_code, :sender_id,
        :payer_address, CAST(:keys AS jsonb), CAST(:callback_origins AS text[]), :actor, :actor)
    ON CONFLICT DO NOTHING RETURNING *
    """
)
_CHANGE = text(
    """
    UPDATE external_source SET name = :name, subject = :subject, funding_line = :funding_line,
        place_code = :place_code, sender_id = :sender_id, payer_address = :payer_address, keys = CAST(:keys AS jsonb),
        callback_origins = CAST(:callback_origins AS text[]), active = :active, changed_by = :actor,
        version = version + 1, updated_at = now()
    WHERE code = :code RETURNING *
    """
)
_BY_CODE = text("SELECT * FROM external_source WHERE code = :code")
# Not FOR UPDATE: every message of the source refers to this row, and would wait.
_LOCK = text("SELECT * FROM external_source WHERE code = :code FOR NO KEY UPDATE")
_BY_SUBJECT = text("SELECT * FROM external_source WHERE subject = :subject AND active")
_TAKEN = text(
    """
    SELECT count(*) FROM external_source
    WHERE code <> :code AND (subject = :subject OR sender_id = CAST(:sender_id AS text))
    """
)
_LIST = text("SELECT * FROM external_source WHERE code > :after ORDER BY code LIMIT :most")


def source_of(row: Any) -> Source:
    """A stored source as the edges see it."""
    return Source(
        code=row.code,
        name=row.name,
        subject=row.subject,
        programme_code=row.programme_code,
        voucher_programme_code=row.voucher_programme_code,
        funding_line=row.funding_line,
        place_code=row.place_code,
        sender_id=row.sender_id,
        payer_address=row.payer_address,
        keys=read_keys(row.keys),
        callback_origins=tuple(row.callback_origins),
    )


async def add(session: AsyncSession, values: dict[str, Any]) -> Record | None:
    """Store a source; None when its code, subject or sender id is taken."""
    return (await session.execute(_ADD, values)).one_or_none()


async def change(session: AsyncSession, values: dict[str, Any]) -> Record:
    """Store a source's next version. The caller holds its lock."""
    return (await session.execute(_CHANGE, values)).one()


async def taken(session: AsyncSession, code: str, subject: str, sender_id: str | None) -> bool:
    """Whether another source has this subject or sender id."""
    values = {"code": code, "subject": subject, "sender_id": sender_id}
    return bool(await session.scalar(_TAKEN, values))


async def by_code(session: AsyncSession, code: str, *, lock: bool = False) -> Record | None:
    """One source, locked on request."""
    return (await session.execute(_LOCK if lock else _BY_CODE, {"code": code})).one_or_none()


async def by_subject(session: AsyncSession, subject: str) -> Record | None:
    """The active source that a token's subject speaks for."""
    return (await session.execute(_BY_SUBJECT, {"subject": subject})).one_or_none()


async def listing(session: AsyncSession, after: str, most: int) -> Sequence[Record]:
    """Sources by code."""
    return (await session.execute(_LIST, {"after": after, "most": most})).all()
