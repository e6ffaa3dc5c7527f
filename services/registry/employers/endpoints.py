"""`/registry/v1/employers`: organisations and their insured workers."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from services.registry.consents.errors import ConsentMissing
from services.registry.employers import repository
from services.registry.employers.errors import BadWorkers, EmployerClosed, EmployerExists, EmployerNotFound, NotYours
from services.registry.employers.register_workers import end_insurance, load_employer, register_workers
from services.registry.employers.schemas import (
    EmployerView,
    EndOfInsurance,
    NewEmployer,
    Workers,
    WorkersRegistered,
    WorkerView,
)
from services.registry.permissions import EmployerAdmin, EmployerRead, EmployerWrite
from services.registry.places import repository as places
from services.registry.places.errors import PlaceNotFound
from services.registry.sealing import EMPLOYER_NUMBER
from shared import audit
from shared.auth import ensure_area
from shared.errors import BadRequest, OutsideArea, responses
from shared.http import ContextDep, Router, SessionDep
from shared.ids import reference, uuid7
from shared.pagination import Page, Paging

router = Router(prefix="/registry/v1/employers", tags=["employers"])
PREFIX: Final = "EM"


@router.post("", status_code=201, responses=responses(OutsideArea, PlaceNotFound, EmployerExists))
async def register(
    new: NewEmployer, session: SessionDep, context: ContextDep, principal: EmployerAdmin
) -> EmployerView:
    """Register an organisation that employs."""
    if await places.find_place(session, new.place_code) is None:
        raise PlaceNotFound("Look the code up at /registry/v1/places.")
    ensure_area(principal, new.place_code)
    employer_id = uuid7()
    number = context.resources.sealer.seal(new.registration_number.get_secret_value(), EMPLOYER_NUMBER)
    values: dict[str, Any] = {"id": employer_id, "reference": reference(PREFIX, employer_id), "name": new.name}
    values |= {"hash": number.hash, "cipher": number.cipher, "sector": new.sector, "place_code": new.place_code}
    values |= {"account_subject": new.account_subject, "now": context.clock.now()}
    if not await repository.add_employer(session, **values):
        raise EmployerExists("Use the one that is there.")
    detail = {"sector": new.sector, "place_code": new.place_code}
    await audit.record(session, principal, "employer.register", "employer", employer_id, detail)
    found = await repository.find_employer(session, employer_id)
    assert found is not None
    return EmployerView.model_validate(found._asdict())


@router.get("")
async def list_employers(session: SessionDep, principal: EmployerRead, paging: Paging) -> Page[EmployerView]:
    """Your own organisations (an employer), or those of your area."""
    officer = principal.has("registry_officer", "programme_officer", "auditor")
    account = None if officer else principal.subject
    rows = await repository.list_employers(session, principal, account, _after(paging), paging.fetch)
    kept, cursor = paging.cut(rows, key=lambda row: {"id": str(row.id)})
    items = [EmployerView.model_validate(row._asdict()) for row in kept]
    return Page[EmployerView](items=items, next_cursor=cursor)


def _after(paging: Paging) -> UUID | None:
    after = paging.after()
    try:
        return UUID(str(after["id"])) if after else None
    except (KeyError, ValueError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None


@router.post(
    "/{employer_id}/workers",
    responses=responses(EmployerNotFound, NotYours, OutsideArea, EmployerClosed, BadWorkers, ConsentMissing),
)
async def insure(
    employer_id: UUID, body: Workers, session: SessionDep, context: ContextDep, principal: EmployerWrite
) -> WorkersRegistered:
    """Report insured workers by their identity numbers: all are taken, or none."""
    return await register_workers(session, context, principal, employer_id, body)


@router.get("/{employer_id}/workers", responses=responses(EmployerNotFound, NotYours, OutsideArea))
async def list_workers(
    employer_id: UUID, session: SessionDep, principal: EmployerRead, paging: Paging
) -> Page[WorkerView]:
    """Workers of an employer, past ones too: ids, no names."""
    await load_employer(session, principal, employer_id)
    rows = await repository.list_workers(session, employer_id, _after(paging), paging.fetch)
    kept, cursor = paging.cut(rows, key=lambda row: {"id": str(row.id)})
    return Page[WorkerView](items=[WorkerView.model_validate(row._asdict()) for row in kept], next_cursor=cursor)


@router.post(
    "/{employer_id}/workers/{person_id}/end",
    status_code=204,
    responses=responses(EmployerNotFound, NotYours, OutsideArea, BadWorkers),
)
async def end(
    employer_id: UUID,
    person_id: UUID,
    body: EndOfInsurance,
    session: SessionDep,
    context: ContextDep,
    principal: EmployerWrite,
) -> None:
    """A worker is insured no longer."""
    await end_insurance(session, context, principal, employer_id, person_id, body.insured_until)
