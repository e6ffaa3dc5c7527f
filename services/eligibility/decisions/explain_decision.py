"""Use-case: explain a decision clause by clause, in Khmer and English, from the version and the facts it was taken on.

Stored results are shown, not recomputed ones; the single-case evaluator adds what each clause saw. Every clause and
every line of every formula appears (fault 16).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.decisions import repository
from services.eligibility.decisions.exclusions import PREFIX
from services.eligibility.decisions.schemas import (
    AdjustedLine,
    BenefitView,
    ClauseView,
    DecisionView,
    LineView,
    MissingView,
    Text,
)
from services.eligibility.facts.units import load_view
from services.eligibility.model import AnyRow
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.programmes.file import Benefit, Words
from services.eligibility.rules.evaluate import HouseholdView, facts_used
from services.eligibility.rules.near_miss import missing

_HOLDS = Text(km="លក្ខខណ្ឌនេះត្រូវបានបំពេញ។", en="This condition is met.")


async def explain_decision(session: AsyncSession, decision: AnyRow) -> DecisionView:
    """The decision with its reasons.

    Args:
        decision: a row of decisions/repository.py.
    """
    version = await programmes.find_version(session, decision.programme_code, decision.programme_version)
    assert version is not None, "versions are never deleted"
    programme = programmes.compiled(version.document)
    by_person = programme.file.unit != "household"
    view = await load_view(
        session,
        programme,
        decision.household_id,
        decision.facts_version,
        decision.on_date,
        person_id=decision.beneficiary_id if by_person else None,
        event_id=decision.unit_id,
    )
    lines = await repository.lines_of(session, decision)
    clauses = [*_clauses(programme, decision.failed, view), *_excluded(decision.failed)]
    return DecisionView(
        id=decision.id,
        purpose=decision.purpose,
        programme_code=decision.programme_code,
        programme_version=decision.programme_version,
        cycle_id=decision.cycle_id,
        beneficiary_id=decision.beneficiary_id,
        household_id=decision.household_id,
        beneficiary_reference=decision.beneficiary_reference,
        on_date=decision.on_date,
        facts_version=decision.facts_version,
        facts_hash=bytes(decision.facts_hash).hex(),
        qualifies=decision.qualifies,
        near_miss=len(decision.failed) == 1 and sum(len(clause.missing) for clause in clauses) == 1,
        clauses=clauses,
        benefits=_benefits(programme, lines),
        decided_at=decision.decided_at,
    )


def _clauses(programme: CompiledProgramme, failed: Sequence[str], view: HouseholdView) -> Iterator[ClauseView]:
    rules = {clause.id: clause.rule for clause in programme.clauses}
    for clause in programme.file.eligibility:
        holds = clause.id not in failed
        reason = _HOLDS if holds else _text(clause.reason)
        facts = facts_used(rules[clause.id], view)
        steps = [] if holds else [MissingView.model_validate(step) for step in missing(rules[clause.id], view)]
        yield ClauseView(id=clause.id, rule=clause.when, holds=holds, reason=reason, facts=facts, missing=steps)


def _excluded(failed: Sequence[str]) -> Iterator[ClauseView]:
    """Clauses that no file writes: another programme goes before this one."""
    for name in failed:
        if name.startswith(PREFIX):
            other = name.removeprefix(PREFIX)
            reason = Text(
                km=f"អ្នកទទួលផលកំពុងចូលរួមក្នុងកម្មវិធី {other} ដែលមិនអាចទទួលបានជាមួយគ្នា។",
                en=f"Takes part in the programme {other}, which goes before this one.",
            )
            yield ClauseView(id=name, rule=f"exclusivity: {other}", holds=False, reason=reason, facts={})


def _benefits(programme: CompiledProgramme, lines: Mapping[str, list[dict[str, Any]]]) -> list[BenefitView]:
    return [
        _benefit(benefit, lines[benefit.component]) for benefit in programme.file.benefits if benefit.component in lines
    ]


def _benefit(benefit: Benefit, computed: list[dict[str, Any]]) -> BenefitView:
    results = {line["component"]: line for line in computed if line.get("kind", "benefit") == "benefit"}
    views = [
        LineView(
            component=line.component,
            names=_text(line.names),
            formula=line.quantity,
            enabled=line.enabled,
            quantity=results[line.component]["quantity"] if line.component in results else None,
            rate=results[line.component]["rate"] if line.component in results else None,
            amount=results[line.component]["amount"] if line.component in results else None,
        )
        for line in benefit.formula
    ]
    adjusted = [AdjustedLine.model_validate(line) for line in computed if line.get("kind", "benefit") != "benefit"]
    return BenefitView(component=benefit.component, names=_text(benefit.names), lines=views, adjustments=adjusted)


def _text(words: Words) -> Text:
    return Text(km=words.km, en=words.en)
