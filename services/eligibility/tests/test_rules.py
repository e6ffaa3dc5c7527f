"""The rule language: what is accepted, what is refused and where. Pure."""

from __future__ import annotations

import pytest

from services.eligibility.rules.errors import RuleError
from services.eligibility.rules.evaluate import HouseholdView, evaluate
from services.eligibility.rules.parser import parse_predicate, parse_rule
from services.eligibility.rules.tree import counts_of

PERSON = {
    "age": 4,
    "age_months": 50,
    "sex": "female",
    "relationship": "child",
    "disability": "none",
    "living_with_hiv": False,
    "pregnant": False,
}
VIEW = HouseholdView(
    {
        "village_code": "01020304",
        "location_class": "rural",
        "poverty_level": 1,
        "card_valid": True,
        "at_risk": False,
    },
    [PERSON, {**PERSON, "age": 34, "relationship": "head"}, {**PERSON, "age": 70, "disability": "severe"}],
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("household.card_valid && household.poverty_level in [1, 2]", True),
        ("household.at_risk || household.card_valid && household.poverty_level == 2", False),
        ("members.filter(m, m.age <= 5 || m.age >= 60 || m.disability != 'none').size()", 2),
        ("members.exists(p, p.relationship == 'head' && p.age > 30)", True),
        ("members.all(m, m.age > 3)", True),
        ("members.exists_one(m, m.disability == 'severe')", True),
        ("household.size", 3),
        ("size(members.filter(m, m.age > 18)) * 2 + 1", 5),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("math.greatest(0, household.size - 4)", 0),
        ("household.village_code.startsWith('0102') ? 1 : 0", 1),
        ("household.poverty_level in []", False),
    ],
)
def test_a_rule_has_the_value_that_cel_gives_it(text: str, value: object) -> None:
    assert evaluate(parse_rule(text), VIEW) == value


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("household.card_valid &&", "syntax_error", 1, 22),
        ("household.card_valid &&\n household.cart_valid", "unknown_fact", 2, 12),
        ("members.exists(m, m.ages > 5)", "unknown_fact", 1, 21),
        ("person.age > 5", "unknown_name", 1, 1),
        ("household.poverty_level == '1'", "type_mismatch", 1, 28),
        ("household.location_class < 'rural'", "type_mismatch", 1, 28),
        ("household.card_valid + 1 > 0", "type_mismatch", 1, 24),
        ("household.poverty_level && true", "type_mismatch", 1, 1),
        ("members.exists(m, m.disability == 'sever')", "unknown_value", 1, 35),
        ("members", "type_mismatch", 1, 1),
        ("members.map(m, m.age)", "unknown_function", 1, 9),
        ("members.exists(m, members.exists(n, n.age > m.age))", "nested_members", 1, 19),
        ("members.exists(m, household.size > 2)", "nested_members", 1, 29),
        ("household.poverty_level / 0", "division_by_zero", 1, 27),
        ("10 / household.size", "not_supported", 1, 6),
        ("1.5 > 1.0", "not_supported", 1, 1),
        ("household.poverty_level == null", "not_supported", 1, 28),
        ("{'a': 1}", "not_supported", 1, 2),
        ("household.poverty_level in household", "not_supported", 1, 28),
        ("household.size * 1000000000000000 * 10", "out_of_bounds", 1, 18),
        ("now() > 1", "unknown_function", 1, 1),
    ],
)
def test_a_faulty_rule_is_refused_with_its_code_line_and_column(text: str, code: str, line: int, column: int) -> None:
    with pytest.raises(RuleError) as refused:
        parse_rule(text)
    assert (refused.value.code, refused.value.line, refused.value.column) == (code, line, column)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 900 + "true" + ")" * 900,
        "!" * 1900 + "true",
        " || ".join(["true"] * 300),
        "household" + ".a" * 900,
        "true ? " * 200 + "true" + " : false" * 200,
        "1" + " + 1" * 480,
    ],
)
def test_a_rule_that_costs_too_much_is_refused_before_it_is_evaluated(text: str) -> None:
    with pytest.raises(RuleError) as refused:
        parse_rule(text)
    assert refused.value.code in {"too_complex", "too_long", "syntax_error"}


def test_a_rule_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(RuleError, match="2000"):
        parse_rule("true && " * 300 + "true")


def test_named_predicates_are_part_of_the_vocabulary_of_their_programme() -> None:
    predicates = {"child": parse_predicate("member.age <= 5")}
    assert evaluate(parse_rule("members.filter(m, m.child).size()", predicates=predicates), VIEW) == 1
    nested = {
        **predicates,
        "infirm": parse_predicate("member.child || member.disability != 'none'", predicates=predicates),
    }
    assert evaluate(parse_rule("members.filter(m, m.infirm).size()", predicates=nested), VIEW) == 2


def test_equal_member_counts_are_counted_once() -> None:
    first = parse_rule("members.filter(m, m.age > 5).size() > 1")
    second = parse_rule("true && members.filter(person, person.age > 5).size() > 2")
    assert len(counts_of(first, second)) == 1
