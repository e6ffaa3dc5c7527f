"""All SQL on attachments."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.attachments.model import Attachment, AttachmentChunk


async def add(session: AsyncSession, attachment: Attachment, chunks: Sequence[AttachmentChunk]) -> None:
    """Write a file and its pieces."""
    session.add(attachment)
    await session.flush()
    session.add_all(chunks)  # a few dozen at most: the size of a file is limited
    await session.flush()


async def of_case(session: AsyncSession, case_id: UUID) -> Sequence[Attachment]:
    """Files of a case, oldest first; a case has a limited number."""
    statement = select(Attachment).where(Attachment.case_id == case_id).order_by(Attachment.id)
    return (await session.scalars(statement)).all()


async def count(session: AsyncSession, case_id: UUID) -> int:
    """How many files a case has."""
    statement = select(func.count()).select_from(Attachment).where(Attachment.case_id == case_id)
    return await session.scalar(statement) or 0


async def find(session: AsyncSession, case_id: UUID, attachment_id: UUID) -> Attachment | None:
    """One file of a case."""
    statement = select(Attachment).where(Attachment.id == attachment_id, Attachment.case_id == case_id)
    return (await session.scalars(statement)).one_or_none()


async def chunk(session: AsyncSession, attachment_id: UUID, number: int) -> bytes | None:
    """One encrypted piece."""
    statement = select(AttachmentChunk.data_encrypted).where(
        AttachmentChunk.attachment_id == attachment_id, AttachmentChunk.number == number
    )
    return await session.scalar(statement)
