"""The facts that rules may use: names, types, bounds and allowed values. Published at GET /eligibility/v1/vocabulary.

Every fact has a value for every household (there is no null), so a rule always has an answer and the population and the
single case cannot differ in how they treat the unknown. Ages and the validity of the card are taken on the reference
date of the decision or cycle, never on today (fault 21).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

NO_DAY = 100_000
"""Stands for "no such day" where days are counted."""
MAX_MEMBERS = 60
"""Members of one household at most: the bound of shared/contracts/registry.py."""


class Kind(StrEnum):
    """Types of the rule language."""

    BOOL = "bool"
    INT = "int"
    STRING = "string"
    TEXTS = "list of strings"


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
    FactSpec(
        "kind",
        Kind.STRING,
        "ប្រភេទគ្រួសារ",
        "A family, a person registered alone, or an institution.",
        values=("family", "individual", "institution"),
    ),
    FactSpec(
        "card_days_left",
        Kind.INT,
        "ចំនួនថ្ងៃដែលប័ណ្ណនៅមានសុពលភាព",
        "Days until the card's last day, below zero once it is over; -100000 without a card, 100000 without an end.",
        -NO_DAY,
        NO_DAY,
    ),
    FactSpec("shocks", Kind.TEXTS, "គ្រោះដែលបានជួបប្រទះ", "Codes of the shocks that hit it by the reference date."),
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
    FactSpec(
        "education_level",
        Kind.STRING,
        "កម្រិតសិក្សា",
        "Level of education she attends.",
        values=("none", "pre_school", "primary", "lower_secondary", "upper_secondary", "higher"),
    ),
    FactSpec("employment", Kind.STRING, "ការងារ", "Employment.", values=("none", "part_time", "full_time")),
    FactSpec("has_employer", Kind.BOOL, "មាននិយោជក", "Works for a registered employer."),
    FactSpec("employer_sector", Kind.STRING, "វិស័យរបស់និយោជក", "Sector of the employer, e.g. `garment`; empty without."),
    FactSpec("insured", Kind.BOOL, "មានធានារ៉ាប់រងសង្គម", "Insured with the social-security fund."),
    FactSpec("civil_servant", Kind.BOOL, "មន្ត្រីរាជការ", "Is a civil servant."),
    FactSpec(
        "disability_card_valid",
        Kind.BOOL,
        "ប័ណ្ណពិការភាពមានសុពលភាព",
        "Has a disability whose card is not over on the reference date.",
    ),
)
"""Facts of one of `members` (those born by the reference date), and of `person` where the unit is one."""

EVENT: Mapping[str, FactSpec] = _by_name(
    FactSpec("kind", Kind.STRING, "ប្រភេទព្រឹត្តិការណ៍", "Kind of the event, as configured, e.g. `antenatal`."),
    FactSpec(
        "ordinal",
        Kind.INT,
        "លំដាប់",
        "1 for the first of its kind recorded in its episode (e.g. a pregnancy), 2 for the next ...",
        1,
        1_000,
    ),
    FactSpec("babies", Kind.INT, "ចំនួនទារក", "Babies born, of a delivery.", 0, 9),
    FactSpec("value", Kind.INT, "តម្លៃ", "What was measured, e.g. attendance in percent.", 0, 10_000),
    FactSpec("days", Kind.INT, "រយៈពេលជាថ្ងៃ", "Length in days, first and last included.", 1, 3_700),
    FactSpec("notice_days", Kind.INT, "ចំនួនថ្ងៃជូនដំណឹងមុន", "Working days from report to first day.", 0, 400),
    FactSpec("late_days", Kind.INT, "ចំនួនថ្ងៃយឺត", "Days from the event to its report.", 0, 40_000),
)
"""Facts of `event`, where the unit is one. All its other facts are those of the day on which it happened."""

REFERENCE: Mapping[str, FactSpec] = _by_name(
    FactSpec("ymd", Kind.INT, "ថ្ងៃយោង", "The reference date as a number: 20230801.", 0, 99_991_231),
    FactSpec("year", Kind.INT, "ឆ្នាំយោង", "Its year.", 0, 9_999),
    FactSpec("month", Kind.INT, "ខែយោង", "Its month.", 1, 12),
)
"""Facts of `reference`: the date on which facts and rates are judged; an event's own date where the unit is one."""

UNITS: Mapping[str, tuple[str, ...]] = {
    "household": ("reference",),
    "person": ("reference", "person"),
    "worker": ("reference", "person"),
    "student": ("reference", "person"),
    "event": ("reference", "person", "event"),
}
"""The owners of facts besides `household` and `members` by the programme's unit."""
OWNERS: Mapping[str, Mapping[str, FactSpec]] = {
    "household": HOUSEHOLD,
    "person": MEMBER,
    "event": EVENT,
    "reference": REFERENCE,
}
"""Facts by their owner."""

FUNCTIONS: tuple[tuple[str, str], ...] = (
    ("members.exists(m, ...)", "at least one member for whom it holds"),
    ("members.exists_one(m, ...)", "exactly one member for whom it holds"),
    ("members.all(m, ...)", "it holds for every member"),
    ("members.filter(m, ...).size()", "how many members it holds for; each member counts once"),
    ("'...' in household.shocks", "this shock hit the household"),
    ("text.startsWith('...')", "the text begins with this"),
    ("math.greatest(a, b), math.least(a, b)", "the greater or the lesser of two numbers"),
)
"""Functions and macros, with their meaning."""
