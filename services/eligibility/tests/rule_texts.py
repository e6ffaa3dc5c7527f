"""Hypothesis strategies: random rules as CEL text, and random households."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from services.eligibility.rules.parser import MAX_LENGTH
from services.eligibility.rules.vocabulary import MEMBER
from shared.contracts.registry import HouseholdRegistered, MemberFacts, Shock
from shared.ids import uuid7

CLASSES = ("rural", "other_urban", "urban_phnom_penh")
REFERENCE = date(2021, 2, 28)
_SMALL = st.integers(-70, 70)
_COMPARE = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def _quoted(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(values).map(lambda value: f"'{value}'")


def _numbers(leaves: st.SearchStrategy[str], conditions: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    leaves = leaves | _SMALL.map(str)
    divisors = st.integers(-7, 7).filter(bool)
    return leaves | st.one_of(
        st.builds("{} {} {}".format, leaves, st.sampled_from("+-*"), leaves),
        st.builds("({} - {}) * {}".format, leaves, leaves, leaves),
        st.builds("{} / {}".format, leaves, divisors),
        st.builds("({} - {}) % {}".format, leaves, leaves, divisors),
        st.builds("-({})".format, leaves),
        st.builds("({} ? {} : {})".format, conditions, leaves, leaves),
    )


def _conditions(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Joined with and without parentheses: what binds tighter must be the language's choice in both evaluators.

    Not longer than a rule may be.
    """
    texts = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds("{} || {}".format, inner, inner),
            st.builds("{} && {}".format, inner, inner),
            st.builds("({}) && ({})".format, inner, inner),
            st.builds("({}) == ({})".format, inner, inner),
            st.builds("!({})".format, inner),
            st.builds("({} ? ({}) : ({}))".format, leaves, inner, inner),
            st.builds("({}) in [true]".format, inner),
        ),
        max_leaves=5,
    )
    return texts.filter(lambda text: len(text) <= MAX_LENGTH)


def _member_leaves() -> st.SearchStrategy[str]:
    texts = st.one_of(
        *(
            st.builds("m.{} {} {}".format, st.just(fact.name), st.sampled_from(["==", "!="]), _quoted(fact.values))
            for fact in MEMBER.values()
            if fact.values
        )
    )
    ages = st.sampled_from(["m.age", "m.age_months"])
    flags = st.sampled_from(
        [
            "m.living_with_hiv",
            "m.pregnant",
            "m.insured",
            "m.civil_servant",
            "m.has_employer",
            "m.disability_card_valid",
            "household.card_valid",
            "household.at_risk",
        ]
    )
    numbers = _numbers(ages, flags)
    return st.one_of(
        texts,
        flags,
        st.builds("{} {} {}".format, numbers, _COMPARE, numbers),
        st.builds("m.age in [{}, {}]".format, st.integers(0, 90), st.integers(0, 90)),
        st.just("household.location_class == 'rural'"),
        st.just("m.employer_sector == 'garment'"),
    )


def _macros() -> tuple[st.SearchStrategy[str], st.SearchStrategy[str]]:
    predicates = _conditions(_member_leaves())
    macro = st.sampled_from(["exists", "all", "exists_one"])
    counts = st.one_of(
        st.builds("members.filter(m, {}).size()".format, predicates),
        st.builds("members.filter(m, {}).filter(m, {}).size()".format, predicates, predicates),
        st.just("size(members)"),
    )
    return st.builds("members.{}(m, {})".format, macro, predicates), counts


_CONDITION_MACROS, _COUNTS = _macros()
_FLAGS = st.sampled_from(["household.card_valid", "household.at_risk", "true", "false", "'flood' in household.shocks"])
_HOUSEHOLD_NUMBERS = [
    "household.size",
    "household.poverty_level",
    "household.card_days_left",
    "reference.ymd",
    "reference.month",
]
NUMBERS = _numbers(st.sampled_from(_HOUSEHOLD_NUMBERS) | _COUNTS, _FLAGS)
CONDITIONS = _conditions(
    st.one_of(
        _FLAGS,
        _CONDITION_MACROS,
        st.builds("{} {} {}".format, NUMBERS, _COMPARE, NUMBERS),
        st.builds("household.location_class in [{}, {}]".format, _quoted(CLASSES), _quoted(CLASSES)),
        st.builds("household.location_class != {}".format, _quoted(CLASSES)),
        st.builds("household.village_code.startsWith('{}')".format, st.sampled_from(["01", "0102", "", "12", "%"])),
        st.builds("household.poverty_level in [{}, {}]".format, _SMALL, st.integers(0, 2)),
    )
)

_DAYS = st.dates(date(1920, 1, 1), date(2021, 12, 31)) | st.sampled_from(
    [date(2016, 2, 29), date(2016, 2, 28), date(2015, 2, 28), REFERENCE, date(2021, 3, 1)]
)
MEMBERS = st.builds(
    MemberFacts,
    person_id=st.builds(uuid7),
    relationship=st.sampled_from(MEMBER["relationship"].values),
    sex=st.sampled_from(MEMBER["sex"].values),
    birth_date=_DAYS,
    disability=st.sampled_from(MEMBER["disability"].values),
    living_with_hiv=st.booleans(),
    pregnant=st.booleans(),
    education_level=st.sampled_from(MEMBER["education_level"].values),
    employment=st.sampled_from(MEMBER["employment"].values),
    employer_id=st.none() | st.builds(uuid7),
    employer_sector=st.sampled_from([None, "garment", "tourism"]),
    insured=st.booleans(),
    civil_servant=st.booleans(),
    disability_card_valid_until=st.none() | st.sampled_from([date(2021, 2, 27), REFERENCE]),
)
HOUSEHOLDS = st.builds(
    HouseholdRegistered,
    version=st.just(1),
    household_id=st.builds(uuid7),
    reference=st.just("HH-TEST"),
    village_code=st.sampled_from(["01020304", "12010101"]),
    location_class=st.sampled_from(CLASSES),
    poverty_level=st.sampled_from([None, 1, 2]),
    card_valid_from=st.none() | st.sampled_from([date(2020, 1, 1), REFERENCE, date(2021, 3, 1)]),
    card_valid_until=st.none() | st.sampled_from([date(2021, 2, 27), REFERENCE, date(2023, 1, 1)]),
    at_risk=st.booleans(),
    members=st.lists(MEMBERS, max_size=5).map(tuple),
    effective_on=st.just(date(2020, 1, 1)),
    shocks=st.lists(
        st.builds(
            Shock,
            code=st.sampled_from(["flood", "storm"]),
            occurred_on=st.sampled_from([date(2021, 2, 1), REFERENCE, date(2021, 3, 1)]),
        ),
        max_size=2,
    ).map(tuple),
    kind=st.sampled_from(["family", "individual"]),
)

PERSON_NUMBERS = _numbers(
    st.sampled_from(["person.age", "person.age_months", "household.size", "reference.year"]) | _COUNTS,
    st.sampled_from(["person.insured", "person.pregnant", "person.trained", "household.at_risk"]),
)
PERSON_CONDITIONS = _conditions(
    st.one_of(
        st.sampled_from(
            ["person.insured", "person.has_employer", "person.trained", "!person.trained", "household.card_valid"]
        ),
        st.just("members.exists(m, m.trained && m.age > person.age)"),
        st.builds("{} {} {}".format, PERSON_NUMBERS, _COMPARE, PERSON_NUMBERS),
        st.builds("person.sex == {}".format, _quoted(("female", "male"))),
        st.builds("person.education_level in [{}]".format, _quoted(MEMBER["education_level"].values)),
    )
)
"""Over a person; `trained` is a named condition of the programme."""
EVENT_CONDITIONS = _conditions(
    st.one_of(
        PERSON_CONDITIONS,
        st.builds(
            "event.{} {} {}".format,
            st.sampled_from(["ordinal", "babies", "value", "days", "notice_days", "late_days"]),
            _COMPARE,
            st.integers(0, 40),
        ),
        st.just("event.kind == 'visit'"),
    )
)
