"""Screen account holders against the sanctions list: each version of an account once against each list.

The list is small (some tens of thousands of names), the holders are many: the list is opened and indexed once, and
holders are read in chunks of ten thousand, opened, and held against the few entries that the index finds. A list that
is loaded queues the job; the building of a payment list screens what is left of its own payees in the transaction that
writes their lines, so that nobody is paid unseen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts.model import BORN_CONTEXT, NAME_CONTEXT, normal_name
from services.payments.metadata import Record
from services.payments.resources import Resources
from services.payments.sanctions import screening_repository as repository
from services.payments.sanctions.matching import Bars, Entry, Index, Match
from services.payments.sanctions.names import taken_apart
from services.payments.settings import PaymentsSettings
from shared.jobs import JobKind, JobRun
from shared.service import Context

JOB: Final = "screen_accounts"
ENTRY_CONTEXT: Final = "sanction.entry"
CHUNK: Final = 10_000


@dataclass(frozen=True)
class Screen:
    """The list in force, opened and indexed."""

    number: int
    index: Index
    bars: Bars
    resources: Resources


def bars_of(settings: PaymentsSettings) -> Bars:
    """The bars that are configured."""
    return Bars(
        settings.sanctions_name_score,
        settings.sanctions_birth_agrees_score,
        settings.sanctions_birth_differs_score,
        settings.sanctions_birth_years,
    )


async def open_screen(context: Context, session: AsyncSession) -> Screen | None:
    """Open the list in force; None when it holds no names."""
    number, names = await repository.newest_list(session)
    if not names:
        return None
    rows = await repository.entries(session)
    index = await asyncio.to_thread(_index, context.resources, rows)
    return Screen(number, index, bars_of(context.settings), context.resources)


def _index(resources: Resources, rows: Sequence[Record]) -> Index:
    def opened(row: Record) -> Entry:
        said = orjson.loads(resources.cipher.decrypt(bytes(row.entry_encrypted), ENTRY_CONTEXT))
        return Entry(bytes(row.entry_hash), row.reference, taken_apart(said["name"]), said["born"])

    return Index(opened(row) for row in rows)


def person_hash(resources: Resources, name: str, born: str) -> bytes:
    """What is known of a holder, as a keyed hash: a clearing holds while it is the same."""
    return resources.number_hash.digest(f"{normal_name(name)}|{born}", "sanction_person")


async def screen(session: AsyncSession, opened: Screen, accounts: Sequence[Record]) -> int:
    """Hold these accounts' holders against the list, and keep what was found, in the session's transaction.

    Returns:
        How many hits.
    """
    if not accounts:
        return 0
    found = await asyncio.to_thread(_find, opened, accounts)
    ids, versions = [row.id for row in accounts], [row.version for row in accounts]
    await repository.keep_screened(session, opened.number, ids, versions, found)
    return len(found["accounts"])


def _find(opened: Screen, accounts: Sequence[Record]) -> dict[str, list[Any]]:
    """Hits as parallel arrays. Runs in a thread."""
    names = ("accounts", "entries", "versions", "persons", "beneficiaries", "villages", "references", "scores")
    hits: dict[str, list[Any]] = {name: [] for name in (*names, "reasons")}
    cipher = opened.resources.cipher
    seen: dict[tuple[str, str], list[Match]] = {}  # many holders have one name
    for row in accounts:
        name = cipher.decrypt(bytes(row.holder_name_encrypted), NAME_CONTEXT)
        sealed = row.holder_born_encrypted
        born = "" if sealed is None else cipher.decrypt(bytes(sealed), BORN_CONTEXT)
        if (name, born) not in seen:
            seen[name, born] = opened.index.matches(name, born, opened.bars)
        for match in seen[name, born]:
            told = (
                row.id, match.entry.hash, row.version, person_hash(opened.resources, name, born), row.beneficiary_id,
                row.village_code, match.entry.reference, match.score,
            )  # fmt: skip
            for field, value in zip(names, told, strict=True):
                hits[field].append(value)
            hits["reasons"].append(",".join(match.reasons))
    return hits


async def run_screen_accounts(run: JobRun) -> dict[str, int]:
    """The job: every active account that was not screened against the list in force, chunk by chunk, each committed.

    Returns:
        screened, hits.
    """
    async with run.context.database.session() as session:
        opened = await open_screen(run.context, session)
    after, screened, hits = UUID(int=0), 0, 0
    while opened is not None:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            accounts = await repository.next_unscreened(session, opened.number, after, CHUNK)
            hits += await screen(session, opened, accounts)
        if not accounts:
            break
        after, screened = accounts[-1].id, screened + len(accounts)
        await run.progress(screened, None, "account holders screened")
    return {"screened": screened, "hits": hits}


SCREEN_ACCOUNTS = JobKind(JOB, run_screen_accounts)
