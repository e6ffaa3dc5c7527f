"""A programme's own words, for its components; a code stands for itself where the words were not heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.advice.words import Words
from services.payments.programmes.repository import programme_version_of

NAME: Final = ""
"""Key of the programme's name: no component has an empty code."""


async def words_of(session: AsyncSession, programme_code: str, version: int) -> Mapping[str, Words]:
    """Component code -> words, and the programme's name under `NAME`."""
    known = await programme_version_of(session, programme_code, version)
    if known is None:
        return {}
    components = {text["code"]: Words(text["km"], text["en"]) for text in known.components}
    return components | {NAME: Words(known.name_km, known.name_en)}


def programme_name(words: Mapping[str, Words], programme_code: str) -> Words:
    """The programme's name, or its code."""
    return words.get(NAME) or Words(programme_code, programme_code)


def component_words(words: Mapping[str, Words], component: str) -> Words:
    """A component's words, or its code."""
    return words.get(component) or Words(component, component)
