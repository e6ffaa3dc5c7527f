"""The import's record: what was received, by whom, how far it is and what came of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import ARRAY, JSON, BigInteger, Boolean, Column, DateTime, Integer, Table, Text, Uuid

from shared.db import new_metadata

metadata = new_metadata()


class ImportState(StrEnum):
    """received -> validated -> finished. The counters of a finished import never change."""

    RECEIVED = "received"
    VALIDATED = "validated"
    FINISHED = "finished"


household_import: Final = Table(
    "household_import",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("job_id", Uuid),
    Column("submitted_by", Text),
    Column("areas", ARRAY(Text)),
    Column("dry_run", Boolean),
    Column("newcomers", Text),
    Column("state", Text),
    Column("sha256", Text),
    Column("bytes", BigInteger),
    Column("rows", BigInteger),
    Column("households", BigInteger),
    Column("registered", BigInteger),
    Column("updated", BigInteger),
    Column("unchanged", BigInteger),
    Column("rejected_households", BigInteger),
    Column("rejected_rows", BigInteger),
    Column("rejections", BigInteger),
    Column("repairs", JSON),
    Column("candidates", BigInteger),
    Column("received_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
)

import_rejection: Final = Table(
    "import_rejection",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("household_ref", Text),
)
