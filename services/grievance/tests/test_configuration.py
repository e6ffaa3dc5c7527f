"""Configuration is refused at start, naming file and key; what is shipped loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from services.grievance.cases.categories import ConfigurationError, load_calendar, load_categories
from services.grievance.tests.building import Officer, start
from shared.testing.plugin import MakeService

SHIPPED = Path(__file__).parents[1] / "configuration"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_shipped_loads_and_says_that_it_is_unconfirmed() -> None:
    assert "payment" in load_categories(SHIPPED / "categories.yaml").categories
    assert not load_calendar(SHIPPED / "holidays_kh.yaml").confirmed


def test_conduct_and_gender_based_violence_are_sealed_and_nothing_else_is() -> None:
    offered = load_categories(SHIPPED / "categories.yaml").categories
    assert {name for name, category in offered.items() if category.sealed} == {"gender_based_violence", "conduct"}


def test_a_case_climbs_from_commune_to_regulator() -> None:
    levels = load_categories(SHIPPED / "categories.yaml").levels
    assert [level.code for level in levels] == ["commune", "district", "province", "ministry", "regulator"]


def test_a_wrong_deadline_is_refused_naming_file_category_and_key(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "mine.yaml",
        "categories: {payment: {name_en: a, name_km: b, route: payments, deadline_working_days: 0, "
        "priority: high, subjects: [payment]}}",
    )
    with pytest.raises(ConfigurationError, match=r"mine\.yaml: categories\.payment\.deadline_working_days"):
        load_categories(path)


def test_an_unknown_key_is_refused_instead_of_ignored(tmp_path: Path) -> None:
    path = write(
        tmp_path, "h.yaml", "{zone: UTC, weekend: [6], confirmed: false, yearly: [], movable: {}, holiday: []}"
    )
    with pytest.raises(ConfigurationError, match="holiday"):
        load_calendar(path)


def test_an_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "h.yaml", "{zone: Asia/Nowhere, weekend: [6], confirmed: false, yearly: [], movable: {}}")
    with pytest.raises(ConfigurationError, match="no such time zone"):
        load_calendar(path)


async def test_what_is_configured_is_shown_in_both_languages_to_whoever_takes_complaints(
    make_service: MakeService, tmp_path: Path
) -> None:
    """Categories, routes, ladder and calendar are changed in a file, not in code: another country's file is shown."""
    document = yaml.safe_load((SHIPPED / "categories.yaml").read_text(encoding="utf-8"))
    document["categories"]["land"] = document["categories"]["registry"] | {"name_en": "Land", "starts_at": "district"}
    del document["categories"]["employer"]
    path = write(tmp_path, "categories.yaml", yaml.safe_dump(document, allow_unicode=True))
    holidays = write(
        tmp_path,
        "holidays.yaml",
        "{zone: Asia/Vientiane, weekend: [7], confirmed: true, yearly: [], movable: {2020: []}}",
    )
    grievance = await start(make_service, categories_file=path, holidays_file=holidays)
    shown = (await Officer(grievance, role="public_client").get("/categories")).json()
    categories = {category["code"]: category for category in shown["categories"]}
    assert "employer" not in categories
    assert (categories["land"]["name_en"], categories["land"]["starts_at"]) == ("Land", "district")
    assert (categories["conduct"]["sealed"], categories["payment"]["subjects"][0]) == (True, "household")
    assert shown["levels"][0]["code"] == "commune"
    assert (shown["zone"], shown["holidays_confirmed"]) == ("Asia/Vientiane", True)
    opened = await Officer(grievance).open(category="land")
    assert (opened["route"], opened["level"], opened["due_on_confirmed"]) == ("registry", "district", True)
    assert opened["due_on"] == "2020-07-18", "fifteen days of a week of six, from Wednesday 1 July"
    assert (await Officer(grievance, role="employer").get("/categories")).status_code == 403


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml"):
        load_categories(tmp_path / "absent.yaml")
