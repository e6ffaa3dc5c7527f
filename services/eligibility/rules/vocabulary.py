"""The facts that rules may use: names, types, bounds and allowed values. Published at GET /eligibility/v1/vocabulary.

Every fact has a value for every household (there is no null), so a rule always has an answer and the population and the
single case cannot differ in how they treat the unknown. Ages and the validity of the card are taken on the reference
date of the decision or cycle, never on today (fault 21).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MAX_MEMBERS = 60
"""Members of one household at most: the bound of shared/contracts/registry.py."""


class Kind(StrEnum):
    """Types of the rule language."""

    BOOL = "bool"
    INT = "int"
    STRING = "string"


@dataclass(frozen=True)
class FactSpec:
    """One fact.

    Attributes:
        name: without its owner: `age` of `m.age`, `poverty_level` of `household.poverty_level`.
        kind: its type.
        km, en: what it means.
        low, high: inclusive bounds of an INT: they prove that no formula overflows or goes below zero.
        values: of a STRING with a closed list; comparing with another text is refused as a slip of the pen.
    """

    name: str
    kind: Kind
    km: str
    en: str
    low: int = 0
    high: int = 0
    values: tuple[str, ...] = ()


def _by_name(*facts: FactSpec) -> Mapping[str, FactSpec]:
    return {fact.name: fact for fact in facts}


HOUSEHOLD: Mapping[str, FactSpec] = _by_name(
    FactSpec("village_code", Kind.STRING, "លេខកូដភូមិ", "Code of the village, two digits a level."),
    FactSpec("location_class", Kind.STRING, "ប្រភេទទីតាំង", "Dated class of the village, e.g. `rural`."),
    FactSpec("poverty_level", Kind.INT, "កម្រិតក្រីក្រ", "Level on the card: 1 very poor, 2 poor; 0: no card.", 0, 2),
    FactSpec("card_valid", Kind.BOOL, "ប័ណ្ណមានសុពលភាព", "There is a card and it is valid on the reference date."),
    FactSpec("at_risk", Kind.BOOL, "គ្រួសារងាយរងហានិភ័យ", "Known as at risk, without a card."),
    FactSpec("size", Kind.INT, "ចំនួនសមាជិក", "Members born by the reference date.", 0, MAX_MEMBERS),
)
"""Facts of `household`."""

MEMBER: Mapping[str, FactSpec] = _by_name(
    FactSpec("age", Kind.INT, "អាយុ (ឆ្នាំ)", "Completed years on the reference date.", 0, 2100),
    FactSpec("age_months", Kind.INT, "អាយុ (ខែ)", "Completed months on the reference date.", 0, 25_200),
    FactSpec("sex", Kind.STRING, "ភេទ", "Sex.", values=("female", "male")),
    FactSpec(
        "relationship",
        Kind.STRING,
        "ត្រូវជា",
        "Relationship to the head.",
        values=("head", "spouse", "child", "parent", "sibling", "grandchild", "other"),
    ),
    FactSpec(
        "disability",
        Kind.STRING,
        "ពិការភាព",
        "Assessed severity of a disability.",
        values=("none", "mild", "medium", "severe"),
    ),
    FactSpec("living_with_hiv", Kind.BOOL, "ផ្ទុកមេរោគអេដស៍", "Lives with HIV."),
    FactSpec("pregnant", Kind.BOOL, "មានផ្ទៃពោះ", "Is pregnant."),
)
"""Facts of one of `members` (those born by the reference date)."""

FUNCTIONS: tuple[tuple[str, str], ...] = (
    ("members.exists(m, ...)", "at least one member for whom it holds"),
    ("members.exists_one(m, ...)", "exactly one member for whom it holds"),
    ("members.all(m, ...)", "it holds for every member"),
    ("members.filter(m, ...).size()", "how many members it holds for; each member counts once"),
    ("text.startsWith('...')", "the text begins with this"),
    ("math.greatest(a, b), math.least(a, b)", "the greater or the lesser of two numbers"),
)
"""Functions and macros, with their meaning."""
