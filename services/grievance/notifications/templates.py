"""The words of messages, in Khmer and English, from a file that is refused at start when a step or language lacks."""

from __future__ import annotations

import string
from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.grievance.cases.categories import validated
from services.grievance.notifications.model import Told

PLACEHOLDERS = frozenset({"reference", "due_on", "outcome", "level"})


class Wording(BaseModel):
    """One message in both languages. Placeholders: {reference} {due_on} {outcome} {level}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    km: Annotated[str, Field(min_length=1, max_length=500)]
    en: Annotated[str, Field(min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _known_placeholders(self) -> Self:
        for text in (self.km, self.en):
            used = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            if unknown := used - PLACEHOLDERS:
                raise ValueError(f"unknown placeholders: {sorted(unknown)}")
        return self


class Messages(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: dict[Told, Wording]
    outcomes: dict[str, Wording]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := set(Told) - set(self.messages):
            raise ValueError(f"no words for: {sorted(missing)}")
        return self

    def render(
        self, step: Told, language: str, *, reference: str, due_on: date, outcome: str | None, level: str
    ) -> str:
        """The text of a message in one of the two languages; `level` is already in words."""
        wording = self.messages[step]
        named = self.outcomes.get(outcome or "")
        result = (named.en if language == "en" else named.km) if named else ""
        template = wording.en if language == "en" else wording.km
        return template.format(reference=reference, due_on=due_on.isoformat(), outcome=result, level=level)


def load_messages(path: Path) -> Messages:
    """Read the messages file.

    Raises:
        ConfigurationError: unreadable, a step or language is missing, or a placeholder is unknown.
    """
    return validated(Messages, path)
