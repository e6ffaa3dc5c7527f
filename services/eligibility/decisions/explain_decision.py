"""Use-case: explain a decision clause by clause, in Khmer and English, from the version and the facts it was taken on.

Stored results are shown, not recomputed ones; the single-case evaluator adds what each clause saw. Every clause and
every line of every formula appears (fault 16).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.decisions.schemas import BenefitView, ClauseView, DecisionView, LineView, Text
from services.eligibility.facts.household import view_on
from services.eligibility.facts.repository import load_household
from services.eligibility.model import AnyRow
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.programmes.file import Benefit, Clause, Words
from services.eligibility.rules.evaluate import HouseholdView, facts_used
from services.eligibility.rules.tree import Node

_HOLDS = Text(km="លក្ខខណ្ឌនេះត្រូវបានបំពេញ។", en="This condition is met.")


async def explain_decision(session: AsyncSession, decision: AnyRow) -> DecisionView:
    """The decision with its reasons.

    Args:
        decision: a row of decisions/repository.py.
    """
    version = await programmes.find_version(session, decision.programme_code, decision.programme_version)
    assert version is not None, "versions are never deleted"
    programme = programmes.compiled(version.document)
    household = await load_household(session, decision.beneficiary_id, decision.facts_version)
    view = view_on(household, decision.on_date)
    rules = {clause.id: clause.rule for clause in programme.clauses}
    return DecisionView(
        id=decision.id,
        purpose=decision.purpose,
        programme_code=decision.programme_code,
        programme_version=decision.programme_version,
        cycle_id=decision.cycle_id,
        beneficiary_id=decision.beneficiary_id,
        beneficiary_reference=decision.beneficiary_reference,
        on_date=decision.on_date,
        facts_version=decision.facts_version,
        facts_hash=bytes(decision.facts_hash).hex(),
        qualifies=decision.qualifies,
        clauses=[_clause(c, decision.clauses[c.id], rules[c.id], view) for c in programme.file.eligibility],
        benefits=_benefits(programme, decision.lines or {}),
        decided_at=decision.decided_at,
    )


def _clause(clause: Clause, holds: bool, rule: Node, view: HouseholdView) -> ClauseView:
    reason = _HOLDS if holds else _text(clause.reason)
    return ClauseView(id=clause.id, rule=clause.when, holds=holds, reason=reason, facts=facts_used(rule, view))


def _benefits(programme: CompiledProgramme, lines: Mapping[str, list[dict[str, Any]]]) -> list[BenefitView]:
    return [
        _benefit(benefit, lines[benefit.component]) for benefit in programme.file.benefits if benefit.component in lines
    ]


def _benefit(benefit: Benefit, computed: list[dict[str, Any]]) -> BenefitView:
    results = {line["component"]: line for line in computed}
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
    return BenefitView(component=benefit.component, names=_text(benefit.names), lines=views)


def _text(words: Words) -> Text:
    return Text(km=words.km, en=words.en)
