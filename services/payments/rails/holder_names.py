"""Does the name a provider has for an account belong to the person we know? Pure.

The same words in any order, whatever their case, accents and punctuation, are the same name. Some words in common are
neither yes nor no (a middle name left out, a second spelling): a person looks at it. None in common is another person.
Names have no digits: where only an id was given in a name's place, nothing can be told.
"""

from __future__ import annotations

import unicodedata
from typing import Any

_PARTS = ("firstName", "middleName", "lastName")
_WHOLE = ("fullName", "nativeName")


def name_agrees(ours: str, theirs: Any) -> bool | None:
    """Whether they name one person; None where that cannot be told.

    Arguments:
        theirs: GSMA's `name` object (firstName, middleName, lastName, fullName, nativeName), or a text.
    """
    wanted, found = words(ours), _variants(theirs)
    if not wanted or not found or any(character.isdigit() for character in ours):
        return None
    if any(wanted == variant for variant in found):
        return True
    return None if any(wanted & variant for variant in found) else False


def words(name: str) -> frozenset[str]:
    """A name's words, made comparable: no case, no accents, no punctuation. Vowel signs of Khmer stay."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    kept = "".join(c if c.isalnum() or _is_sign(c) else "" if unicodedata.combining(c) else " " for c in plain)
    return frozenset(kept.split())


def _is_sign(character: str) -> bool:
    """A mark that writes a vowel or joins consonants, as Khmer's do: part of the spelling, unlike a Latin accent."""
    return unicodedata.category(character) in ("Mc", "Mn") and "\u1780" <= character <= "\u17ff"


def _variants(theirs: Any) -> list[frozenset[str]]:
    if isinstance(theirs, str):
        names = [theirs]
    elif isinstance(theirs, dict):
        names = [str(theirs[key]) for key in _WHOLE if theirs.get(key)]
        names.append(" ".join(str(theirs[key]) for key in _PARTS if theirs.get(key)))
    else:
        names = []
    return [variant for name in names if (variant := words(name[:420]))]
