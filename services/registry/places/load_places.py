"""The job that loads the gazetteer: every place with its class by rule, and a report of what was wrong in the lists."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from services.registry.places import repository
from services.registry.places.gazetteer import count_levels, read_gazetteer
from services.registry.places.location_class import load_class_rules
from shared.jobs import JobKind, JobRun

LOAD_PLACES_JOB = "load_places"


async def load_places(run: JobRun) -> Mapping[str, Any]:
    """Load places and classes in one transaction; loading again changes only what changed in the lists.

    Returns:
        Counts of what is in the lists by level, what was new or changed, every quirk of the lists with what was done
        about it, and how many stored places the lists no longer have (they stay: households may live there).
    """
    gazetteer = await asyncio.to_thread(read_gazetteer)
    rules = load_class_rules()
    villages = {place.code: rules.class_of(place.code) for place in gazetteer.places if place.level == "village"}
    await run.progress(0, len(gazetteer.places), "loading places")
    async with run.context.database.session() as session:
        await run.still_mine(session)
        new, changed = await repository.upsert_places(session, gazetteer.places)
        classes = await repository.set_rule_classes(session, villages, rules.valid_from)
        not_listed = await repository.count_not_listed(session, [place.code for place in gazetteer.places])
    await run.progress(len(gazetteer.places), len(gazetteer.places), "done")
    return {
        "places": count_levels(gazetteer.places),
        "new": new,
        "changed": changed,
        "classes_set": classes,
        "villages_by_class": dict(Counter(villages.values())),
        "classes_to_confirm": rules.unconfirmed,
        "no_longer_listed": not_listed,
        "quirks_by_kind": dict(Counter(quirk.kind for quirk in gazetteer.quirks)),
        "quirks": [asdict(quirk) for quirk in gazetteer.quirks],
    }


LOAD_PLACES = JobKind(LOAD_PLACES_JOB, load_places)
