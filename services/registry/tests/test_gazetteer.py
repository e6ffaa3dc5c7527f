"""The gazetteer as it is published, and how its faults are repaired."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.registry.places.gazetteer import SourceRow, count_levels, read_gazetteer, repair
from services.registry.places.location_class import load_class_rules

PROVINCE = [SourceRow("05", "", "ខេត្ត", "Province")]
DISTRICT = [SourceRow("0506", "05", "ស្រុក", "District")]


def commune(code: str, name: str) -> SourceRow:
    return SourceRow(code, "0506", name, name)


def village(code: str, parent: str, name: str = "V") -> SourceRow:
    return SourceRow(code, parent, name, name)


def codes_of(communes: list[SourceRow], villages: list[SourceRow]) -> list[tuple[str, str | None]]:
    gazetteer = repair(PROVINCE, DISTRICT, communes, villages)
    return [(place.code, place.source_code) for place in gazetteer.places if place.level == "village"]


def test_the_installed_lists_load_whole_with_unique_codes_under_their_parents() -> None:
    gazetteer = read_gazetteer()
    codes = {place.code for place in gazetteer.places}
    assert count_levels(gazetteer.places) == {"province": 25, "district": 210, "commune": 1654, "village": 14576}
    assert len(codes) == len(gazetteer.places)
    for place in gazetteer.places:
        assert place.name_km
        assert place.name_en
        assert place.parent_code is None or (place.parent_code in codes and place.code[:-2] == place.parent_code)


def test_every_fault_of_the_installed_lists_is_reported() -> None:
    kinds = Counter(quirk.kind for quirk in read_gazetteer().quirks)
    assert kinds == {
        "village_code_replaced": 73,
        "commune_repeated": 7,
        "commune_code_differs": 1,
        "commune_without_villages": 1,
    }


def test_a_repeated_code_stays_with_the_first_village_and_the_others_get_the_lowest_free_number() -> None:
    villages = [village("05060101", "050601"), village("05060102", "050601"), village("05060101", "050601")]
    assert codes_of([commune("050601", "A")], villages) == [
        ("05060101", None),
        ("05060102", None),
        ("05060103", "05060101"),
    ]


def test_a_placeholder_code_becomes_a_number() -> None:
    assert codes_of([commune("050614", "A")], [village("0506140-", "050614")]) == [("05061401", "0506140-")]


def test_villages_carrying_another_communes_code_keep_their_number_under_their_own() -> None:
    communes = [commune("050604", "A"), commune("050605", "B")]
    assert codes_of(communes, [village("05060401", "050604"), village("05060401", "050605")]) == [
        ("05060401", None),
        ("05060501", "05060401"),
    ]


def test_a_commune_drawn_down_in_the_spreadsheet_is_one_commune_again() -> None:
    communes = [commune("050604", "Kokir"), commune("050605", "Kokir")]
    gazetteer = repair(PROVINCE, DISTRICT, communes, [village("05060401", "050604"), village("05060402", "050605")])
    assert [place.code for place in gazetteer.places] == ["05", "0506", "050604", "05060401", "05060402"]
    assert [quirk.kind for quirk in gazetteer.quirks] == ["commune_repeated"]


def test_a_commune_under_two_codes_takes_the_one_its_villages_carry() -> None:
    gazetteer = repair(PROVINCE, DISTRICT, [commune("050612", "A")], [village("05061301", "050613")])
    assert [place.code for place in gazetteer.places] == ["05", "0506", "050613", "05061301"]
    assert gazetteer.quirks[0].kind == "commune_code_differs"


def test_a_village_of_an_unknown_commune_is_reported_and_not_invented() -> None:
    communes = [commune("050601", "A"), commune("050602", "B")]
    gazetteer = repair(PROVINCE, DISTRICT, communes, [village("05060901", "050609")])
    assert [quirk.kind for quirk in gazetteer.quirks][:1] == ["village_not_placed"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["050601", "050602", "050603"]),
            st.one_of(
                st.from_regex(r"05060[1-3][0-9]{2}", fullmatch=True), st.text("0123456789-", min_size=1, max_size=9)
            ),
        ),
        max_size=60,
    )
)
def test_whatever_the_village_codes_are_the_result_is_unique_valid_and_complete(rows: list[tuple[str, str]]) -> None:
    communes = [commune(code, name) for code, name in (("050601", "A"), ("050602", "B"), ("050603", "C"))]
    gazetteer = repair(PROVINCE, DISTRICT, communes, [village(code, parent) for parent, code in rows])
    villages = [place for place in gazetteer.places if place.level == "village"]
    assert len({place.code for place in villages}) == len(villages) == len(rows)
    for place in villages:
        assert len(place.code) == 8
        assert place.code.isdecimal()
        assert place.parent_code == place.code[:6]


def test_the_capital_is_urban_phnom_penh_municipalities_are_other_urban_and_the_rest_is_rural() -> None:
    rules = load_class_rules()
    assert [rules.class_of(code) for code in ("12010101", "01060101", "01020101")] == [
        "urban_phnom_penh",
        "other_urban",
        "rural",
    ]


def test_every_rule_of_location_class_names_a_place_that_exists() -> None:
    names = {place.code: place.name_en for place in read_gazetteer().places}
    for rule in load_class_rules().rules:
        assert names[rule.prefix] == rule.name
