"""Load a sanctions list: a file of names, references and dates of birth replaces the list before it, at once.

Each name, and each alias on a line of its own, is encrypted; its hash tells whether an entry is the same as one that
was there before. Then every account holder is screened against it (`screen_accounts`). A hit is a matter for people.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts.model import normal_name
from services.payments.resources import Resources
from services.payments.sanctions.screen_accounts import ENTRY_CONTEXT, JOB
from services.payments.sanctions.screening_repository import replace_entries
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError, Invalid
from shared.jobs import enqueue

HEADERS: Final = (["name", "reference"], ["name", "reference", "birth_date"])
MAX_BYTES: Final = 32 * 1024 * 1024
MAX_ERRORS: Final = 50
_BORN: Final = re.compile(r"((18|19|20)\d{2}(-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?)?")
_ADD: Final = text(
    """
    INSERT INTO sanction_list (source, sha256, names, loaded_by)
    VALUES (:source, :sha256, :names, :by) RETURNING number
    """
)


async def load_list(
    session: AsyncSession, principal: Principal, resources: Resources, body: bytes, source: str
) -> dict[str, Any]:
    """Replace the list, and queue the screening of all account holders.

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
    await replace_entries(session, number, rows)
    await enqueue(session, JOB, {}, key=str(number))
    detail = {"source": source, "names": len(rows), "sha256": digest.hex()}
    await audit.record(session, principal, "sanctions.load", "sanction_list", number, detail)
    return {"number": number, "names": len(rows)}


def _read(resources: Resources, body: bytes) -> list[tuple[bytes, str, bytes]]:
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise _invalid([FieldError("body", "bad_csv", "The file is CSV in UTF-8.")]) from None
    header = [name.strip().lower() for name in lines[0]] if lines else []
    if header not in HEADERS:
        message = "The first line must be: name,reference or name,reference,birth_date"
        raise _invalid([FieldError("body", "bad_header", message)])
    errors, rows = [], []
    for number, line in enumerate(lines[1:], 2):
        fields = [value.strip() for value in line]
        if len(fields) != len(header) or not normal_name(fields[0]):
            errors.append(FieldError(f"line {number}", "bad_line", f"A line has: {', '.join(header)}."))
        elif len(fields) == 3 and not _BORN.fullmatch(fields[2]):
            errors.append(FieldError(f"line {number}", "bad_date", "A date of birth is YYYY-MM-DD or YYYY."))
        else:
            rows.append(_entry(resources, fields[0], fields[1][:120], fields[2] if len(fields) == 3 else ""))
    if errors:
        raise _invalid(errors[:MAX_ERRORS])
    return rows


def _entry(resources: Resources, name: str, reference: str, born: str) -> tuple[bytes, str, bytes]:
    digest = resources.number_hash.digest(f"{normal_name(name)}|{reference}|{born}", "sanction_entry")
    said = orjson.dumps({"name": name, "born": born}).decode()
    return digest, reference, resources.cipher.encrypt(said, ENTRY_CONTEXT)


def _invalid(errors: list[FieldError]) -> Invalid:
    return Invalid("Nothing was loaded: the list before stays in force.", errors=errors)
