"""The events of a case, from its row. They carry codes and ids, never what people wrote."""

from __future__ import annotations

from services.grievance.cases.model import Case
from shared.contracts.grievance import CaseOpened, CaseResolved


def opened(case: Case) -> CaseOpened:
    """`case.opened`: also told when a case is reopened, with its higher version and new deadline."""
    return CaseOpened(
        version=case.version,
        case_id=case.id,
        reference=case.reference,
        category=case.category,
        subject_type=case.subject_type,
        subject_id=case.subject_id,
        place_code=case.place_code,
        channel=case.channel,
        due_on=case.due_on,
    )


def resolved(case: Case) -> CaseResolved:
    """`case.resolved`. Raises ValueError for a case without outcome."""
    if case.outcome is None:
        raise ValueError("a case without outcome is not resolved")
    return CaseResolved(
        version=case.version,
        case_id=case.id,
        reference=case.reference,
        category=case.category,
        subject_type=case.subject_type,
        subject_id=case.subject_id,
        place_code=case.place_code,
        outcome=case.outcome,
    )
