"""Why was I not paid? Person, facts, rules, enrolment, entitlement, check, approval, batch, bank line, case: in
order, in words.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.entitlements.repository import holds_of_payment, village_of
from services.payments.errors import PaymentNotFound
from services.payments.explanations import repository
from services.payments.explanations.model import Stage, State, conclude
from services.payments.fields import plain
from services.payments.identities.repository import same_as
from services.payments.lists.model import LineReason, ListStatus
from services.payments.lists.repository import steps_of
from services.payments.metadata import Record
from services.payments.programmes.repository import programme_version_of
from services.payments.reconciliation.lines_repository import lines_of as bank_lines_of
from shared import audit
from shared.auth import Principal

FACT_ROLES: Final = ("programme_officer", "grievance_officer", "commune_officer", "auditor")
SENSITIVE_ROLES: Final = ("programme_officer", "auditor")
SENSITIVE: Final = ("hiv", "disab", "pregnan")
"""Parts of the names of facts about health: shown to those alone whose work they are."""
CASE_ROLES: Final = ("grievance_officer", "commune_officer", "programme_officer", "auditor")
_GOING: Final = {ListStatus.DISBURSING, ListStatus.PARTLY_DISBURSED, ListStatus.DISBURSED}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer: its conclusion, and every stage of the way."""

    beneficiary_id: UUID
    beneficiary_reference: str
    programme_code: str
    programme_km: str
    programme_en: str
    period: str
    conclusion: Stage
    stages: list[Stage]


async def explain_nonpayment(
    session: AsyncSession, principal: Principal, beneficiary: UUID, programme: str, period: str
) -> Explanation:
    """Collect it, from what this service heard; nobody else is called. The look is recorded.

    What is known of a retired record is told of the one that survives, whichever of the two is asked about.

    Args:
        period: the month, `YYYY-MM`.

    Raises:
        PaymentNotFound: nothing is known of the beneficiary, or not in the caller's area.
    """
    until = _last_day(period)
    same = await same_as(session, beneficiary)
    decided = await repository.decision_on(session, same, programme, until)
    enrolled = await repository.enrolment_of(session, same, programme)
    owed = await repository.entitlements_of(session, same, programme, period)
    village = await _village(session, same, decided)
    if village is None or not principal.covers(village):
        raise PaymentNotFound("Look at the id again, or ask an officer of that area.")
    known = owed[0] if owed else decided
    version = known.programme_version if known is not None else None
    published = await programme_version_of(session, programme, version) if version is not None else None
    reference = next((row.beneficiary_reference for row in (*owed, decided, enrolled) if row is not None), "")
    stages = [
        await _person(session, same, village, reference),
        _facts(principal, decided),
        _rules(decided, published),
        _enrolment(enrolled),
        *await _way_of_money(session, same, programme, owed, published),
    ]
    subjects = [*same, *(row.payment_id for row in owed), *([decided.id] if decided is not None else [])]
    stages.append(await _case(session, principal, subjects))
    await audit.record(session, principal, "payment.explain", "beneficiary", str(beneficiary), {"period": period})
    return Explanation(
        beneficiary_id=same[0],
        beneficiary_reference=reference,
        programme_code=programme,
        programme_km=published.name_km if published is not None else programme,
        programme_en=published.name_en if published is not None else programme,
        period=period,
        conclusion=conclude(stages),
        stages=stages,
    )


def _last_day(period: str) -> date:
    year, month = int(period[:4]), int(period[5:])
    return date(year, month, calendar.monthrange(year, month)[1])


async def _village(session: AsyncSession, same: Sequence[UUID], decided: Record | None) -> str | None:
    """Where she lives: by the surviving record, else by what was decided, else by a retired one."""
    village = await village_of(session, same[0])
    if village is None and decided is not None:
        return str(decided.village_code)
    for retired in same[1:]:
        village = village or await village_of(session, retired)
    return village


async def _person(session: AsyncSession, same: Sequence[UUID], village: str, reference: str) -> Stage:
    gone = await repository.gone(session, same)
    detail = {"reference": reference, "village_code": village, "merged_records": [str(retired) for retired in same[1:]]}
    return Stage("person", "problem", gone, detail) if gone else Stage("person", "ok", "known", detail)


def _facts(principal: Principal, decided: Record | None) -> Stage:
    if decided is None:
        return Stage("facts", "none", "no_decision")
    if not principal.has(*FACT_ROLES):
        return Stage("facts", "ok", "facts_withheld", {"facts_hash": decided.facts_hash})
    shown = [
        fact
        for fact in decided.facts
        if principal.has(*SENSITIVE_ROLES) or not any(part in fact["name"] for part in SENSITIVE)
    ]
    detail = {"decided_on": str(decided.decided_on), "facts": shown, "withheld": len(decided.facts) - len(shown)}
    return Stage("facts", "ok", "facts_seen", detail)


def _rules(decided: Record | None, published: Record | None) -> Stage:
    if decided is None:
        return Stage("rules", "none", "no_decision")
    detail = {"decision_id": str(decided.id), "programme_version": decided.programme_version}
    if decided.eligible:
        return Stage("rules", "ok", "eligible", detail)
    texts = {item["code"]: item for item in published.clauses} if published is not None else {}
    said = [texts[code] for code in decided.failed_clauses if code in texts]
    return Stage(
        "rules",
        "problem",
        "not_eligible",
        detail | {"failed_clauses": list(decided.failed_clauses)},
        said_km=" ".join(item["km"] for item in said),
        said_en=" ".join(item["en"] for item in said),
    )


def _enrolment(enrolled: Record | None) -> Stage:
    if enrolled is None:
        return Stage("enrolment", "problem", "not_enrolled")
    detail = {"enrolment_id": str(enrolled.id), "since": str(enrolled.effective_on), "cause": enrolled.cause}
    if enrolled.status == "approved":
        return Stage("enrolment", "ok", "enrolled", detail)
    state = "waiting" if enrolled.status == "waitlisted" else "problem"
    return Stage("enrolment", state, f"enrolment_{enrolled.status}", detail)  # type: ignore[arg-type]


async def _way_of_money(
    session: AsyncSession, same: Sequence[UUID], programme: str, owed: Sequence[Record], published: Record | None
) -> list[Stage]:
    """Entitlement, check, approval, batch and bank line of each component, as far as each has come."""
    if not owed:
        return [Stage("entitlement", "problem", "not_entitled")]
    stopped = await repository.stopped(session, same, programme)
    components = {item["code"]: item for item in published.components} if published is not None else {}
    stages = []
    for row in owed:
        named = components.get(row.component, {"km": row.component, "en": row.component})
        stages.append(_entitlement(row, named))
        if row.revoked_cause is None:
            stages += await _payment(session, row, stopped)
    return stages


def _entitlement(row: Record, named: dict[str, str]) -> Stage:
    detail = {
        "entitlement_id": str(row.id),
        "component": row.component,
        "component_km": named["km"],
        "component_en": named["en"],
        "amount": plain(row.amount),
        "currency": row.currency,
        "lines": row.lines,
        "window_until": str(row.payment_window_until) if row.payment_window_until else None,
    }
    if row.revoked_cause is not None:
        return Stage("entitlement", "problem", "revoked", detail | {"cause": row.revoked_cause})
    return Stage("entitlement", "ok", "entitled", detail)


async def _payment(session: AsyncSession, row: Record, stopped: str | None) -> list[Stage]:
    lines = await repository.lines_of(session, row.payment_id)
    if not lines:
        return [Stage("check", "waiting", "not_listed")]
    newest = [line for line in lines if line.payment_list_id == lines[0].payment_list_id]
    stages = [_check(line) for line in newest]
    if all(line.status == "excluded" for line in newest):
        return stages
    status = ListStatus(newest[0].list_status)
    stages.append(await _approval(session, newest[0], status))
    attempts = await repository.attempts_of(session, row.beneficiary_id, row.id)
    held = await holds_of_payment(session, row.payment_id)
    if any(not hold.released for hold in held) and not attempts:
        stages.append(
            Stage("batch", "problem", "hold", {"hold_id": str(held[-1].id), "case_id": str(held[-1].case_id)})
        )
    elif stopped and not any(attempt.state == "settled" for attempt in attempts):
        stages.append(Stage("batch", "problem", "stopped", {"scope": stopped}))
    elif status in _GOING:
        stages += await _rail(session, attempts)
    return stages


def _check(line: Record) -> Stage:
    detail = {
        "payment_list_id": str(line.payment_list_id),
        "payment_id": str(line.payment_id),
        "amount": plain(line.amount),
        "deduction": plain(line.deduction),
        "note": line.note,
    }
    if line.status == "ready":
        return Stage("check", "ok", "check_ready", detail)
    if line.status == "split":
        return Stage("check", "ok", "split", detail)
    # Left out only because the other record is paid: that record's own stages say how far its money is.
    state: State = "ok" if list(line.reasons) == [LineReason.MERGED_IDENTITY] else "problem"
    return Stage("check", state, line.reasons[0], detail | {"reasons": list(line.reasons)})


async def _approval(session: AsyncSession, line: Record, status: ListStatus) -> Stage:
    steps = [
        {"action": step.action, "at": step.at.isoformat()} for step in await steps_of(session, line.payment_list_id)
    ]
    detail = {"payment_list_id": str(line.payment_list_id), "list_status": status.value, "steps": steps}
    if status in _GOING:
        return Stage("approval", "ok", "approved", detail)
    if status is ListStatus.APPROVED:
        return Stage("approval", "waiting", "awaiting_release", detail)
    rejected = status in {ListStatus.REJECTED, ListStatus.REFUSED}
    return Stage("approval", "waiting", "rejected" if rejected else "awaiting_approval", detail)


async def _rail(session: AsyncSession, attempts: Sequence[Record]) -> list[Stage]:
    if not attempts:
        return [Stage("batch", "waiting", "queued")]
    latest = {attempt.payment_id: attempt for attempt in attempts}
    said = await bank_lines_of(session, [attempt.id for attempt in latest.values()])
    stages = []
    for attempt in latest.values():
        detail = {
            "payment_id": str(attempt.payment_id),
            "attempt": attempt.attempt,
            "rail": attempt.rail,
            "message_id": attempt.message_id,
            "batch_state": attempt.batch_state,
        }
        gone_out = attempt.state not in {"queued", "unknown"}
        code = "sent" if gone_out else "queued" if attempt.state == "queued" else "unknown_outcome"
        stages.append(Stage("batch", "ok" if gone_out else "waiting", code, detail))
        if gone_out:
            stages.append(_bank_line(attempt, [line for line in said if line.attempt_id == attempt.id]))
    return stages


def _bank_line(attempt: Record, lines: Sequence[Record]) -> Stage:
    detail = {
        "state": attempt.state,
        "on": str(attempt.outcome_on) if attempt.outcome_on else None,
        "reason_code": attempt.reason_code,
        "reason": attempt.reason,
        "told_by": attempt.outcome_source,
        "lines": [
            {"document": line.document, "message_id": line.message_id, "number": line.number, "verdict": line.verdict}
            for line in lines
        ],
    }
    if attempt.state == "settled":
        return Stage("bank_line", "ok", "settled", detail)
    if attempt.state in {"failed", "returned", "expired"}:
        return Stage("bank_line", "problem", attempt.state, detail)
    return Stage("bank_line", "waiting", "accepted" if attempt.state == "accepted" else "no_bank_line", detail)


async def _case(session: AsyncSession, principal: Principal, subjects: Sequence[UUID]) -> Stage:
    cases = await repository.cases_about(session, subjects) if principal.has(*CASE_ROLES) else []
    if not cases:
        return Stage("case", "none", "no_case")
    shown = [
        {"reference": case.reference, "category": case.category, "state": case.state, "outcome": case.outcome}
        for case in cases
        if principal.covers(case.place_code) or case.place_code is None
    ]
    still = any(case.state not in {"resolved", "closed"} for case in cases)
    return Stage("case", "waiting" if still else "ok", "case_open" if still else "case_closed", {"cases": shown})
