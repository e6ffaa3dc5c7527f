"""The stages of an explanation and the conclusion that follows from them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from services.payments.explanations.words import WORDS

StageName = Literal[
    "person", "facts", "rules", "enrolment", "entitlement", "check", "approval", "batch", "bank_line", "case"
]
ORDER: Final[tuple[StageName, ...]] = (
    "person",
    "facts",
    "rules",
    "enrolment",
    "entitlement",
    "check",
    "approval",
    "batch",
    "bank_line",
    "case",
)
State = Literal["ok", "waiting", "problem", "none"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the way from a person to her money.

    Attributes:
        state: ok, waiting (somebody or something is at work), problem (why it went no further), none (nothing to say).
        code: a key of WORDS.
        detail: what it rests on: ids, versions, dates, amounts. No personal data beyond what the asker may see.
    """

    name: StageName
    state: State
    code: str
    detail: dict[str, Any] = field(default_factory=dict)
    said_km: str = ""
    said_en: str = ""

    @property
    def km(self) -> str:
        """In Khmer."""
        return self.said_km or WORDS[self.code][0]

    @property
    def en(self) -> str:
        """In English."""
        return self.said_en or WORDS[self.code][1]


def conclude(stages: Sequence[Stage]) -> Stage:
    """The stage that answers the question: where the way ends.

    Paid is paid, whatever is said before it (rules may have changed since). Else the first problem; else the first that
    waits; else the last stage that has something to say. A case explains nothing: it comes after.
    """
    way = [stage for stage in sorted(stages, key=lambda stage: ORDER.index(stage.name)) if stage.name != "case"]
    if any(stage.code == "settled" for stage in way):
        return Stage("bank_line", "ok", "paid")
    for state in ("problem", "waiting"):
        for stage in way:
            if stage.state == state:
                return stage
    said = [stage for stage in way if stage.state == "ok"]
    return said[-1] if said else way[0]
