"""Putting the counts of all ranges together into the result of a rehearsal. Pure, exact."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

import orjson

from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.rehearsal.indicators import Reach, gini, rounded
from services.eligibility.rehearsal.schemas import RehearsalRequest

Key = tuple[str, str, str]
CENT = Decimal("0.01")
_EVENTS: Final = "the events recorded a year before, as if they happened again"
_NOBODY: Final = "nobody is born and nobody dies"


@dataclass
class Count:
    """Sums of one row of a table."""

    units: int = 0
    people: int = 0
    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)

    def money(self) -> dict[str, str]:
        """The amounts as decimal text, with the difference."""
        before, after = (value.quantize(CENT, ROUND_HALF_EVEN) for value in (self.before, self.after))
        return {"amount_before": str(before), "amount_after": str(after), "difference": str(after - before)}


@dataclass
class Tables:
    """Counts by kind of table and keys, added up over ranges."""

    rows: dict[str, dict[Key, Count]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Count)))

    def add(self, rows: Iterable[Any]) -> None:
        """Add the rows of one range (see population_sql.py)."""
        for row in rows:
            count = self.rows[row.kind][(row.k1, row.k2, row.k3)]
            count.units += row.units
            count.people += row.people
            count.before += row.before
            count.after += row.after

    def sums(self, key: str = "") -> Count:
        """Beneficiaries after (`units`), before (`people`) and money; of the months ahead by the period's number."""
        return self.rows["sums"][(key, "", "")]

    def of(self, kind: str) -> list[tuple[Key, Count]]:
        """A table's rows, ordered by their keys."""
        return sorted(self.rows[kind].items()) if kind in self.rows else []


def result_document(
    first: Tables, months: list[dict[str, Any]], request: RehearsalRequest, draft: CompiledProgramme
) -> dict[str, Any]:
    """What came out, as the document that is shown, hashed and kept."""
    return {
        "currency": draft.file.currency,
        "population": _EVENTS
        if draft.file.unit == "event"
        else "everybody known on the reference date, enrolled or not",
        "lives": f"drawn from {request.assumptions.vital_rates.source}" if request.assumptions.vital_rates else _NOBODY,
        "totals": _totals(first),
        "changes": [
            {
                "change": change,
                "province_code": province,
                "clause": clause,
                "beneficiaries": count.units,
                **count.money(),
            }
            for (change, province, clause), count in first.of("change")
        ],
        "by_person": _by_person(first),
        "by_person_note": "a household's amount is shared equally among its members",
        "months": months,
        "targeting": {
            "poverty_measure": f"poverty level of the household in {sorted(request.poor_levels)}",
            "before": _reach(first, "level_before", request, after=False).as_document(),
            "after": _reach(first, "level", request, after=True).as_document(),
        },
        "gini": _gini(first, request),
    }


def _by_person(first: Tables) -> list[dict[str, Any]]:
    """Shares are fractions: they are rounded as they add up, so that the rows sum to the whole."""
    rows = []
    sums = [Decimal(0), Decimal(0)]
    for (sex, band, disability), count in first.of("person"):
        shown = []
        for n, value in enumerate((count.before, count.after)):
            reached = _units(sums[n])
            sums[n] += value
            shown.append(_units(sums[n]) - reached)
        money = Count(before=shown[0], after=shown[1]).money()
        rows.append({"sex": sex, "age_band": band, "disability": disability, "people": count.people, **money})
    return rows


def _totals(first: Tables) -> dict[str, Any]:
    count = first.sums()
    return {"beneficiaries_before": count.people, "beneficiaries_after": count.units, **count.money()}


def _reach(first: Tables, kind: str, request: RehearsalRequest, *, after: bool) -> Reach:
    poor = poor_reached = reached = 0
    amount = to_poor = Decimal(0)
    for (level, _, _), count in first.of(kind):
        money = count.after if after else count.before
        reached += count.people
        amount += money
        if int(level) in request.poor_levels:
            poor += count.units
            poor_reached += count.people
            to_poor += money
    return Reach(poor, poor_reached, reached, amount, to_poor)


def _gini(first: Tables, request: RehearsalRequest) -> dict[str, Any] | None:
    if request.welfare is None:
        return None
    values = {}
    for name, kind in (("before", "welfare_before"), ("after", "welfare_after")):
        value = gini({int(key[0]): count.people for key, count in first.of(kind)})
        values[name] = None if value is None else rounded(value)
    measure = "assumed monthly welfare a person by poverty level, plus an equal share of the transfer, whole units"
    return {**values, "welfare_measure": measure, "source": request.welfare.source}


def month_document(period: str, count: Count, percent: int) -> dict[str, Any]:
    """One month's beneficiaries and cost.

    Args:
        percent: of the households that were looked at: the sample is scaled up.
    """
    scale = Decimal(100) / percent
    return {
        "period": period,
        "sample_percent": percent,
        "beneficiaries_before": int(count.people * scale),
        "beneficiaries_after": int(count.units * scale),
        "cost_before": str(_units(count.before * scale)),
        "cost_after": str(_units(count.after * scale)),
    }


def _units(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_EVEN)


def result_hash(code: str, version: int, baseline: int | None, request: dict[str, Any], result: dict[str, Any]) -> str:
    """SHA-256 of what was tried, what was asked and what came out."""
    whole = {
        "programme_code": code,
        "version": version,
        "baseline_version": baseline,
        "request": request,
        "result": result,
    }
    return hashlib.sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).hexdigest()
