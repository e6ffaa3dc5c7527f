"""An employer reports its insured workers: known ones are linked set-wise, new ones entered as individuals."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.consents.require_consent import require_consent
from services.registry.employers import repository
from services.registry.employers.errors import BadWorkers, EmployerClosed, EmployerNotFound, NotYours
from services.registry.employers.schemas import Worker, Workers, WorkersRegistered
from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.apply_change import apply_change
from services.registry.households.changes import AddPerson, PersonFacts
from services.registry.households.errors import BadHousehold
from services.registry.households.open_household import open_household
from services.registry.households.publish import publish_states
from services.registry.households.rules import problem
from services.registry.imports.receive_import import formats
from services.registry.sealing import NATIONAL_ID
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError
from shared.service import Context


async def load_employer(session: AsyncSession, principal: Principal, employer_id: UUID) -> Row[Any]:
    """An employer that the caller may act for: her own account's, or of her area.

    Raises:
        EmployerNotFound, NotYours, OutsideArea: not there, or not for this caller.
    """
    found = await repository.find_employer(session, employer_id)
    if found is None:
        raise EmployerNotFound("Look it up at /registry/v1/employers.")
    if found.account_subject != principal.subject:
        if not principal.has("registry_officer", "programme_officer", "auditor"):
            raise NotYours("Use your own employer's id.")
        ensure_area(principal, found.place_code)
    return found


async def register_workers(
    session: AsyncSession, context: Context, principal: Principal, employer_id: UUID, body: Workers
) -> WorkersRegistered:
    """Insure them all, or none.

    Raises:
        EmployerClosed, BadWorkers: naming every worker that cannot be taken.
        ConsentMissing: a known worker has not consented to being linked with an employer.
    """
    employer = await load_employer(session, principal, employer_id)
    if employer.closed_on is not None:
        raise EmployerClosed("Register the workers with the employer they have now.")
    today, now = context.clock.today(), context.clock.now()
    hashes = _hashes(context, body.workers)
    owners = await repository.owners(session, hashes)
    problems = _problems(context, body, hashes, owners, today)
    if problems:
        raise BadWorkers("Correct the fields named in errors; nobody was registered.", errors=problems)
    by = principal.subject
    reason = "reported by the employer"
    origin = Origin(ChangeKind.LIFE_CHANGE, ChangeSource.EMPLOYER, by, reason, body.insured_from, employer_id)
    people: list[UUID] = []
    entered: list[UUID] = []
    for index, (worker, digest) in enumerate(zip(body.workers, hashes, strict=True)):
        known = owners.get(digest)
        if known is None:
            entered.append(await _enter(session, context, worker, employer_id, origin, f"workers[{index}]"))
        people.append(known.owner_id if known is not None else entered[-1])
    means = {person: worker.consent_means for person, worker in zip(people, body.workers, strict=True)}
    given = [person for person in people if means[person]]
    await repository.add_consents(session, given, [str(means[person]) for person in given], today, by, now)
    await require_consent(session, "employer_link", "insured_workers", people)
    already = await repository.insured(session, employer_id, people)
    linked = [person for person in people if person not in already and person not in entered]
    await repository.insure(session, employer_id, people, body.insured_from, by, now)
    if linked:
        await begin_change(session, origin, now)
        await repository.link(session, employer_id, linked)
        homes = {row.household_id for row in owners.values() if row.owner_id in linked and row.household_id}
        touched = await repository.touch(session, sorted(homes), body.insured_from, now)
        await publish_states(session, touched, now)
    detail = {"linked": len(linked), "entered": len(entered), "unchanged": len(already)}
    await audit.record(session, principal, "employer.register_workers", "employer", employer_id, detail)
    return WorkersRegistered(person_ids=people, **detail)


def _hashes(context: Context, workers: list[Worker]) -> list[bytes]:
    sealer = context.resources.sealer
    return [sealer.digest(_bare(worker), NATIONAL_ID) for worker in workers]


def _bare(worker: Worker) -> str:
    return worker.national_id.get_secret_value().replace(" ", "")


def _problems(
    context: Context, body: Workers, hashes: list[bytes], owners: dict[bytes, Row[Any]], today: date
) -> list[FieldError]:
    problems = [problem("insured_from", "date_in_future")] if body.insured_from > today else []
    pattern = formats(context.settings).national_id
    for index, (worker, digest) in enumerate(zip(body.workers, hashes, strict=True)):
        path = f"workers[{index}]"
        known = owners.get(digest)
        if not pattern.fullmatch(_bare(worker)):
            problems.append(problem(f"{path}.national_id", "invalid_national_id"))
        elif hashes.index(digest) < index:
            problems.append(problem(f"{path}.national_id", "duplicate_national_id"))
        elif known is not None and not known.alive:
            problems.append(problem(f"{path}.national_id", "person_dead"))
        elif known is None:
            problems += [
                problem(f"{path}.{name}", "required") for name in ("village_code", "facts") if not getattr(worker, name)
            ]
    return problems


async def _enter(
    session: AsyncSession, context: Context, worker: Worker, employer_id: UUID, origin: Origin, path: str
) -> UUID:
    """A worker new to the register is a household of her own until her family is registered."""
    assert worker.village_code is not None
    assert worker.facts is not None
    number = f"W{context.resources.sealer.digest(_bare(worker), NATIONAL_ID).hex()[:16]}"
    household_id = await open_household(
        session, context, None, worker.village_code, number, "individual", origin, origin.effective_on or date.min
    )
    work = {"employer_id": employer_id, "insured": True, "employment": "full_time", "national_id": worker.national_id}
    told = {name: getattr(worker.facts, name) for name in worker.facts.model_fields_set}
    newcomer = AddPerson(relationship="head", person_ref="1", facts=PersonFacts.model_validate({**told, **work}))
    try:
        applied = await apply_change(session, context, household_id, [(path, newcomer)], origin)
    except BadHousehold as error:
        raise BadWorkers("Correct the fields named in errors; nobody was registered.", errors=error.errors) from None
    return applied.added[0]


async def end_insurance(
    session: AsyncSession, context: Context, principal: Principal, employer_id: UUID, person_id: UUID, until: date
) -> None:
    """A worker is insured no longer.

    Raises:
        EmployerNotFound, NotYours, OutsideArea: not for this caller.
        BadWorkers: she is not insured with this employer, or was not yet on that day.
    """
    await load_employer(session, principal, employer_id)
    if until > context.clock.today():
        raise BadWorkers("Correct the day.", errors=[problem("insured_until", "date_in_future")])
    if not await repository.end(session, employer_id, person_id, until):
        message = "The person is not insured with this employer on that day."
        raise BadWorkers(message, errors=[FieldError("person_id", "not_insured", message)])
    now = context.clock.now()
    origin = Origin(
        ChangeKind.LIFE_CHANGE, ChangeSource.EMPLOYER, principal.subject, "insurance ended", until, employer_id
    )
    await begin_change(session, origin, now)
    await repository.unlink(session, person_id)
    home = await repository.household_of(session, person_id)
    if home is not None:
        await publish_states(session, await repository.touch(session, [home], until, now), now)
    detail = {"person_id": str(person_id), "until": until.isoformat()}
    await audit.record(session, principal, "employer.end_insurance", "employer", employer_id, detail)
