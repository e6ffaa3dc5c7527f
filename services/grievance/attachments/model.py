"""Tables of attachments: what is known of a file, and its encrypted pieces. No file name is kept: it names people."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class Attachment(Base):
    """A file of a case."""

    __tablename__ = "attachment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"), index=True)
    media_type: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(Integer)
    chunks: Mapped[int] = mapped_column(Integer)
    scan: Mapped[str] = mapped_column(Text)
    added_by: Mapped[str] = mapped_column(Text)
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class AttachmentChunk(Base):
    """One encrypted piece of a file."""

    __tablename__ = "attachment_chunk"

    attachment_id: Mapped[UUID] = mapped_column(ForeignKey("attachment.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    data_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
