"""Load a sanctions list: a file of names and references replaces the list before it, in one transaction.

Each name, and each alias on a line of its own, is normalised (accents, case, order of words) and hashed under our
key, so that
the table tells nobody who is on it. A match is a matter for people: the line is left out with reason `sanctions`.
"""

from __future__ import annotations

import csv
import hashlib
import io
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts.model import name_hash, normal_name
from services.payments.resources import Resources
from shared import audit
from shared.auth import Principal, ensure_area
from shared.db import copy_records
from shared.errors import FieldError, Invalid

HEADER: Final = ["name", "reference"]
MAX_BYTES: Final = 32 * 1024 * 1024
MAX_ERRORS: Final = 50
_ADD: Final = text(
    """
    INSERT INTO sanction_list (source, sha256, names, loaded_by)
    VALUES (:source, :sha256, :names, :by) RETURNING number
    """
)
_DROP: Final = text("DELETE FROM sanction_name")
_STAGE: Final = text("CREATE TEMP TABLE new_name (name_hash bytea, reference text) ON COMMIT DROP")
_KEEP: Final = text(
    """
    INSERT INTO sanction_name (name_hash, reference, list_number)
    SELECT DISTINCT name_hash, reference, CAST(:number AS integer) FROM new_name
    """
)


async def load_list(
    session: AsyncSession, principal: Principal, resources: Resources, body: bytes, source: str
) -> dict[str, Any]:
    """Replace the list.

    Returns:
        number of the list and how many names it has.

    Raises:
        OutsideArea: it is national. Invalid: not UTF-8, another heading, or lines without a name: each with its number;
        the list before stays.
    """
    ensure_area(principal, None)
    rows = _read(resources, body)
    digest = hashlib.sha256(body).digest()
    values = {"source": source, "sha256": digest, "names": len(rows), "by": principal.subject}
    number = int((await session.execute(_ADD, values)).scalar_one())
    await session.execute(_DROP)
    await session.execute(_STAGE)
    await copy_records(session, "new_name", ["name_hash", "reference"], rows)
    await session.execute(_KEEP, {"number": number})
    detail = {"source": source, "names": len(rows), "sha256": digest.hex()}
    await audit.record(session, principal, "sanctions.load", "sanction_list", number, detail)
    return {"number": number, "names": len(rows)}


def _read(resources: Resources, body: bytes) -> list[tuple[bytes, str]]:
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise _invalid([FieldError("body", "bad_csv", "The file is CSV in UTF-8.")]) from None
    if not lines or [name.strip().lower() for name in lines[0]] != HEADER:
        raise _invalid([FieldError("body", "bad_header", "The first line must be: name,reference")])
    errors, rows = [], []
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(HEADER) or not normal_name(line[0]):
            errors.append(FieldError(f"line {number}", "bad_line", "A line has a name and a reference."))
        else:
            rows.append((name_hash(resources.number_hash, line[0]), line[1].strip()[:120]))
    if errors:
        raise _invalid(errors[:MAX_ERRORS])
    return rows


def _invalid(errors: list[FieldError]) -> Invalid:
    return Invalid("Nothing was loaded: the list before stays in force.", errors=errors)
