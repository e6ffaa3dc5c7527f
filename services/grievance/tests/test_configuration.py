"""Configuration is refused at start, naming file and key; what is shipped loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.grievance.cases.categories import ConfigurationError, load_calendar, load_categories

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


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml"):
        load_categories(tmp_path / "absent.yaml")
