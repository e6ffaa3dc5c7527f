"""HTTP of the rule language: the vocabulary of facts, for editors."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from services.eligibility.access import ProgrammeRead
from services.eligibility.rules.parser import MAX_LENGTH
from services.eligibility.rules.typing import MAX_NODES, MAX_NUMBER
from services.eligibility.rules.vocabulary import EVENT, FUNCTIONS, HOUSEHOLD, MEMBER, REFERENCE, UNITS, FactSpec, Kind
from shared.http import Router

router = Router(prefix="/eligibility/v1/vocabulary", tags=["rules"])


class FactView(BaseModel):
    """A fact that rules may use."""

    name: str
    type: str
    names: dict[str, str]
    values: list[str] | None = None
    minimum: int | None = None
    maximum: int | None = None


class FunctionView(BaseModel):
    """A function or macro."""

    form: str
    meaning: str


class Vocabulary(BaseModel):
    """Everything that a rule can say."""

    household: list[FactView]
    members: list[FactView]
    person: list[FactView]
    event: list[FactView]
    reference: list[FactView]
    units: dict[str, list[str]]
    functions: list[FunctionView]
    limits: dict[str, int]


@router.get("")
async def get_vocabulary(_: ProgrammeRead) -> Vocabulary:
    """Facts by their owner, which owners a programme's unit has, functions, and the limits of a rule."""
    return Vocabulary(
        household=_views("household", HOUSEHOLD),
        members=_views("m", MEMBER),
        person=_views("person", MEMBER),
        event=_views("event", EVENT),
        reference=_views("reference", REFERENCE),
        units={unit: ["household", "members", *owners] for unit, owners in UNITS.items()},
        functions=[FunctionView(form=form, meaning=meaning) for form, meaning in FUNCTIONS],
        limits={"characters": MAX_LENGTH, "parts": MAX_NODES, "number": MAX_NUMBER},
    )


def _views(owner: str, facts: Mapping[str, FactSpec]) -> list[FactView]:
    return [
        FactView(
            name=f"{owner}.{fact.name}",
            type=fact.kind,
            names={"km": fact.km, "en": fact.en},
            values=list(fact.values) or None,
            minimum=fact.low if fact.kind is Kind.INT else None,
            maximum=fact.high if fact.kind is Kind.INT else None,
        )
        for fact in facts.values()
    ]
