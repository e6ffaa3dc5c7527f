"""The registry's part of the month: places, a commune's household file, its report of bad rows."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from deploy.local.demo.client import DemoFailed, Officer, Screen
from deploy.local.demo.population import MISTAKES, Household, Population, spoil, write_csv
from deploy.local.platform import Platform
from shared.clock import SystemClock

HOUSEHOLDS = 5000
BAD_HOUSEHOLDS = 312
DISTRICTS = ("1209", "1710", "0203", "1502")
"""Phnom Penh, the towns of Siem Reap and Battambang, and a rural district of Pursat: all three location classes."""
COMMUNES_PER_DISTRICT = 6
FOREIGN_COMMUNE = "080101"
"""A commune outside the officer's area."""


@dataclass
class Registered:
    """What the registry took in.

    Attributes:
        communes: the officer's area.
        people: members of the good households.
        secrets: identity and telephone numbers that were sent, good and bad.
        names: names that were sent.
    """

    communes: list[str]
    households: int
    people: int
    secrets: set[str]
    names: set[str]


def load_places(screen: Screen, ministry: Officer) -> None:
    """Load provinces to villages, with their location classes."""
    job = ministry.post("/registry/v1/places:load")["job_id"]
    screen.job(ministry, "registry", job, "loading the gazetteer")
    summary = ministry.get("/registry/v1/places/summary")
    levels = ", ".join(f"{summary[level]:,} {level}s" for level in ("province", "district", "commune", "village"))
    screen.say(levels)
    screen.say("villages by class: " + ", ".join(f"{k} {v:,}" for k, v in summary["villages_by_class"].items()))
    sample = next(ministry.pages("/registry/v1/places", level="village", q="Angk"))
    screen.say(f"for example {sample['code']} {sample['name_km']} ({sample['name_en']})")


def import_households(screen: Screen, platform: Platform, ministry: Officer, holds_from: date) -> Registered:
    """Send the file of a round as a commune officer; show what was refused and why."""
    communes, villages = _area(ministry)
    clerk = Officer(platform, "commune-officer-1", "commune_officer", areas=communes)
    households, expected = _draw(ministry, villages, holds_from)
    body = write_csv(households)
    lines = body.count(b"\n") - 1
    screen.say(
        f"a file of {len(households):,} households, {lines:,} lines, {len(body) / 1e6:.1f} MB; {len(expected)} bad"
    )
    started = time.perf_counter()
    sent = clerk.request(
        "POST",
        "/registry/v1/household-imports",
        content=body,
        headers={"Content-Type": "text/csv"},
        expect=202,
    ).json()
    screen.job(clerk, "registry", sent["job_id"], "checking and registering households")
    seconds = time.perf_counter() - started
    result = clerk.get(f"/registry/v1/household-imports/{sent['import_id']}")
    screen.say(
        f"{result['registered']:,} households registered, {result['rejected_households']} refused, in {seconds:.1f} s"
        f" ({lines / seconds:,.0f} people a second)"
    )
    _show_rejections(screen, clerk, sent["import_id"], expected)
    if result["registered"] != HOUSEHOLDS:
        raise DemoFailed(f"{HOUSEHOLDS} good households were sent, {result['registered']} were registered")
    again = clerk.request(
        "POST",
        "/registry/v1/household-imports",
        content=body,
        headers={"Content-Type": "text/csv"},
        expect=202,
    ).json()
    screen.job(clerk, "registry", again["job_id"], "the same file once more")
    repeated = clerk.get(f"/registry/v1/household-imports/{again['import_id']}")
    screen.say(f"the same file once more: {repeated['registered']} registered, {repeated['unchanged']:,} unchanged")
    if repeated["registered"]:
        raise DemoFailed("a file sent twice registered households twice")
    clerk.close()
    people = sum(len(household.members) for household in households if household.household_ref not in expected)
    members = [member for household in households for member in household.members]
    secrets = {number for member in members for number in (member.national_id, member.phone) if number}
    names = {name for member in members for name in (member.name_en, member.name_km)}
    return Registered(communes, result["registered"], people, secrets, names)


def _area(ministry: Officer) -> tuple[list[str], list[str]]:
    communes: list[str] = []
    for district in DISTRICTS:
        found = [place["code"] for place in ministry.pages("/registry/v1/places", parent=district, level="commune")]
        communes += found[:COMMUNES_PER_DISTRICT]
    villages = [
        place["code"]
        for commune in communes
        for place in ministry.pages("/registry/v1/places", parent=commune, level="village")
    ]
    return communes, villages


def _draw(ministry: Officer, villages: list[str], today: date) -> tuple[list[Household], dict[str, str]]:
    """Good and bad households, and the code that each bad one must be refused with."""
    foreign = next(ministry.pages("/registry/v1/places", parent=FOREIGN_COMMUNE))["code"]
    population = Population(villages, today)
    every = (HOUSEHOLDS + BAD_HOUSEHOLDS) // BAD_HOUSEHOLDS
    bad_places = range(7, BAD_HOUSEHOLDS * every, every)
    households = [
        population.household(place + 1, carded=place in bad_places) for place in range(HOUSEHOLDS + BAD_HOUSEHOLDS)
    ]
    # A number that two lines share is refused on both: it is taken from a household that is bad anyway.
    taken = next(m.national_id for place in bad_places for m in households[place].members if m.national_id)
    today = SystemClock(ZoneInfo("Asia/Phnom_Penh")).today()
    expected: dict[str, str] = {}
    for count, place in enumerate(bad_places):
        mistake = MISTAKES[count % len(MISTAKES)]
        bad = spoil(households[place], mistake, today=today, foreign_village=foreign, taken_number=taken)
        households[place] = bad
        expected[bad.household_ref] = mistake
    return households, expected


def _show_rejections(screen: Screen, clerk: Officer, import_id: str, expected: dict[str, str]) -> None:
    rejections = list(clerk.pages(f"/registry/v1/household-imports/{import_id}/rejections"))
    counts = Counter(rejection["code"] for rejection in rejections)
    screen.say("refused for: " + ", ".join(f"{code} {count}" for code, count in sorted(counts.items())))
    for rejection in rejections[:3]:
        screen.say(f"  line {rejection['line']}, {rejection['field']}: {rejection['message']}")
    found = {(rejection["household_ref"], rejection["code"]) for rejection in rejections}
    missed = {pair for pair in expected.items() if pair not in found}
    if missed:
        raise DemoFailed(f"{len(missed)} bad households were not reported as expected, e.g. {sorted(missed)[:3]}")
