"""Synthetic households in real villages, and the mistakes that people make in files. The same seed, the same people.

Nobody here exists: names are drawn from common Khmer given and family names, numbers at random. Shares follow
docs of the first round of the programme: 43% of poor households on level 1, about 3.9 members, 29% children under 15.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

COLUMNS: Final = [
    "household_ref",
    "village_code",
    "poverty_level",
    "card_number",
    "card_valid_from",
    "card_valid_until",
    "person_ref",
    "name_km",
    "name_en",
    "sex",
    "birth_date",
    "relationship",
    "national_id",
    "phone",
    "disability",
    "living_with_hiv",
    "pregnant",
]

FAMILY: Final = (
    ("សុខ", "Sok"),
    ("ចាន់", "Chan"),
    ("ជា", "Chea"),
    ("ហេង", "Heng"),
    ("គឹម", "Kim"),
    ("លី", "Ly"),
    ("មាស", "Meas"),
    ("នួន", "Nuon"),
    ("ពេជ្រ", "Pich"),
    ("រស់", "Ros"),
    ("សំ", "Sam"),
    ("ទេព", "Tep"),
    ("អ៊ុក", "Ouk"),
    ("យិន", "Yin"),
)
WOMEN: Final = (
    ("បុប្ផា", "Bopha"),
    ("ចន្ធូ", "Chanthou"),
    ("ដារ៉ា", "Dara"),
    ("កល្យាណ", "Kalyan"),
    ("មាលា", "Mealea"),
    ("រស្មី", "Reaksmey"),
    ("សុភា", "Sophea"),
    ("ស្រីមុំ", "Sreymom"),
    ("វណ្ណា", "Vanna"),
)
MEN: Final = (
    ("បូរី", "Borey"),
    ("ចំរើន", "Chamroeun"),
    ("កុសល", "Kosal"),
    ("ពិសិដ្ឋ", "Piseth"),
    ("រតនា", "Ratana"),
    ("សំណាង", "Samnang"),
    ("សុវណ្ណ", "Sovann"),
    ("វិបុល", "Vibol"),
    ("វិរៈ", "Virak"),
)


@dataclass
class Person:
    """One line of the file."""

    person_ref: str
    relationship: str
    sex: str
    birth_date: str
    name_km: str
    name_en: str
    national_id: str = ""
    phone: str = ""
    disability: str = "none"
    living_with_hiv: str = "false"
    pregnant: str = "false"


@dataclass
class Household:
    """A household and the card it holds."""

    household_ref: str
    village_code: str
    poverty_level: str
    card_number: str
    card_valid_from: str
    card_valid_until: str
    members: list[Person] = field(default_factory=list)

    def lines(self) -> Iterator[dict[str, str]]:
        """The household's lines: its own cells repeated on each."""
        own = {name: getattr(self, name) for name in COLUMNS[:6]}
        for member in self.members:
            yield own | {name: getattr(member, name) for name in COLUMNS[6:]}


class Population:
    """Draws households.

    Args:
        villages: codes of the villages they live in.
        today: nobody is born later.
        seed: the same seed draws the same households.
    """

    def __init__(self, villages: Sequence[str], today: date, seed: int = 2020) -> None:
        self._villages = list(villages)
        self._today = today
        self._random = random.Random(seed)  # noqa: S311 reproducible people, no secret
        self._numbers: set[str] = set()

    def household(self, number: int, *, carded: bool = False) -> Household:
        """A household: mostly with a valid equity card; some cards have ended, some have none unless `carded`."""
        draw = self._random
        luck = 0.5 if carded else draw.random()
        issued = self._today - timedelta(days=draw.randint(1200, 1500) if luck < 0.03 else draw.randint(60, 800))
        made = Household(
            household_ref=f"H{number:05d}",
            village_code=draw.choice(self._villages),
            poverty_level="1" if draw.random() < 0.43 else "2",
            card_number=f"EC{number:07d}",
            card_valid_from=issued.isoformat(),
            card_valid_until=(issued + timedelta(days=3 * 365)).isoformat(),
        )
        if luck > 0.97:
            made = replace(made, poverty_level="", card_number="", card_valid_from="", card_valid_until="")
        family = draw.choice(FAMILY)
        size = draw.choices(range(1, 9), weights=(6, 12, 22, 26, 17, 10, 5, 2))[0]
        roles = ["head", *(["spouse"] if size > 1 and draw.random() < 0.8 else [])]
        while len(roles) < size:
            roles.append(draw.choices(("child", "grandchild", "parent", "sibling"), weights=(70, 13, 12, 5))[0])
        for position, role in enumerate(roles, 1):
            made.members.append(self._person(f"{made.household_ref}-{position}", role, family))
        return made

    def _person(self, reference: str, role: str, family: tuple[str, str]) -> Person:
        draw = self._random
        ages = {"head": (22, 78), "spouse": (20, 74), "child": (0, 17), "grandchild": (0, 9), "parent": (58, 88)}
        low, high = ages.get(role, (18, 50))
        born = self._today - timedelta(days=draw.randint(low * 365 + 1, high * 365 + 200))
        woman = draw.random() < (0.35 if role == "head" else 0.55)
        given = draw.choice(WOMEN if woman else MEN)
        adult = (self._today - born).days > 18 * 365
        return Person(
            person_ref=reference,
            relationship=role,
            sex="female" if woman else "male",
            birth_date=born.isoformat(),
            name_km=f"{family[0]} {given[0]}",
            name_en=f"{family[1]} {given[1]}",
            national_id=self._number() if adult and draw.random() < 0.7 else "",
            phone=f"0{draw.choice(('12', '16', '77', '92'))}{draw.randint(100_000, 989_999)}" if role == "head" else "",
            disability=draw.choices(("none", "mild", "medium", "severe"), weights=(957, 18, 15, 10))[0],
            living_with_hiv="true" if draw.random() < 0.005 else "false",
            pregnant="true"
            if woman and adult and (self._today - born).days < 42 * 365 and draw.random() < 0.05
            else "false",
        )

    def _number(self) -> str:
        while True:
            number = f"{self._random.randint(10**8, 10**9 - 1)}"
            if number not in self._numbers:
                self._numbers.add(number)
                return number


MISTAKES: Final = (
    "unknown_village",
    "outside_area",
    "invalid_birth_date",
    "birth_date_in_future",
    "second_head",
    "no_head",
    "invalid_sex",
    "invalid_poverty_level",
    "invalid_national_id",
    "duplicate_national_id",
    "duplicate_person_ref",
    "card_ends_before_start",
    "required",
)
"""Mistakes that `spoil` makes, by the code that the registry must report."""


def spoil(household: Household, mistake: str, *, today: date, foreign_village: str, taken_number: str) -> Household:
    """The household with one mistake in it."""
    first, rest = household.members[0], household.members[1:]
    match mistake:
        case "unknown_village":
            return replace(household, village_code="99999999")
        case "outside_area":
            return replace(household, village_code=foreign_village)
        case "invalid_birth_date":
            first = replace(first, birth_date="1985-02-30")
        case "birth_date_in_future":
            first = replace(first, birth_date=(today + timedelta(days=30)).isoformat())
        case "second_head":
            rest = [*rest, replace(first, person_ref=first.person_ref + "b", national_id="")]
        case "no_head":
            first = replace(first, relationship="other")
        case "invalid_sex":
            first = replace(first, sex="woman")
        case "invalid_poverty_level":
            return replace(household, poverty_level="3")
        case "invalid_national_id":
            first = replace(first, national_id="12345678")
        case "duplicate_national_id":
            first = replace(first, national_id=taken_number)
        case "duplicate_person_ref":
            rest = [*rest, replace(first, relationship="other", national_id="")]
        case "card_ends_before_start":
            return replace(household, card_valid_until="2001-01-01")
        case "required":
            first = replace(first, birth_date="")
        case _:
            raise ValueError(f"no such mistake: {mistake}")
    return replace(household, members=[first, *rest])


def write_csv(households: Sequence[Household]) -> bytes:
    """The file a commune sends."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for household in households:
        writer.writerows(household.lines())
    return text.getvalue().encode()
