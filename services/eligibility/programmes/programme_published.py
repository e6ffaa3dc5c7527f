"""The event that tells other services what a programme says: its words, its dates, and what is unconfirmed."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.programmes import repository
from services.eligibility.programmes.file import ProgrammeFile
from shared.contracts.eligibility import ProgrammePublished, ProgrammeText
from shared.outbox import publish


async def tell_programme(session: AsyncSession, file: ProgrammeFile, version: int) -> None:
    """Publish a version as it stands: after publication, and again when a rate of it is confirmed."""
    clauses = [(clause.id, clause.reason) for clause in file.eligibility]
    clauses += [(rule.id, rule.reason) for rule in file.suspensions]
    components = [(benefit.component, benefit.names) for benefit in file.benefits]
    components += [(line.component, line.names) for benefit in file.benefits for line in benefit.formula]
    components += [(cover.service, cover.names) for cover in file.covers]
    texts = {code: ProgrammeText(code=code, km=words.km, en=words.en) for code, words in reversed(components)}
    event = ProgrammePublished(
        version=await repository.next_telling(session, file.code),
        programme_code=file.code,
        programme_version=version,
        unit=file.unit,
        name_km=file.names.km,
        name_en=file.names.en,
        funding_line=file.funding_line,
        currency=file.currency,
        valid_from=file.valid_from,
        valid_until=file.valid_until,
        clauses=tuple(ProgrammeText(code=code, km=words.km, en=words.en) for code, words in clauses),
        components=tuple(texts.values())[:60],
        unconfirmed=tuple(await repository.unconfirmed_rates(session, file.code, version)),
    )
    await publish(session, [event])
