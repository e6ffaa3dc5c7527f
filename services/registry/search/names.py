"""What a name sounds like, in either script: keys under which its spellings meet. Pure.

A Khmer name is romanised roughly, letter by letter; a Latin one is taken as it is. Both are then reduced to the
consonants that transliterations agree on: vowels, aspiration, doubled letters and voicing fall away. One name is
written Sokha, Sukha or Sokhha, Chan or Jan, Vuthy or Wuthi. Honorifics are left out; the order does not matter.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_BASES: Final = {
    **dict.fromkeys("កខគឃ", "k"),
    "ង": "ng",
    **dict.fromkeys("ចឆជឈ", "ch"),
    "ញ": "nh",
    **dict.fromkeys("ដឋឌឍ", "d"),
    **dict.fromkeys("ណន", "n"),
    **dict.fromkeys("តថទធ", "t"),
    "ប": "b",
    **dict.fromkeys("ផពភ", "p"),
    "ម": "m",
    "យ": "y",
    "រ": "r",
    "ល": "l",
    "ឡ": "l",
    "វ": "v",
    **dict.fromkeys("សឝឞ", "s"),
    "ហ": "h",
    "អ": "a",
    **dict.fromkeys("ឣឤឥឦឧឨឩឪឯឰឱឲឳ", "a"),
    "ឫ": "r",
    "ឬ": "r",
    "ឭ": "l",
    "ឮ": "l",
    "\u17c6": "m",
}
_SILENCED: Final = re.compile("[\u1780-\u17a2]\u17cd")
"""A consonant under a toandakhiat is written and not spoken."""
_HONORIFICS: Final = frozenset(
    {
        *("mr", "mrs", "ms", "miss", "lok", "srey", "neang", "ta", "yeay", "bong", "oknha", "dr"),
        *("លោក", "លោកស្រី", "កញ្ញា", "អ្នកស្រី", "នាង", "តា", "យាយ", "បង", "ឧកញ៉ា", "អ្នក"),
    }
)
# The order matters: digraphs before their letters.
_SOUNDS: Final = (
    (re.compile(r"(.)\1+"), r"\1"),
    (re.compile(r"ng|nh|gn|ny|n"), "n"),
    (re.compile(r"tch|tj|dj|ch|j|x|z"), "c"),
    (re.compile(r"ph|f"), "p"),
    (re.compile(r"th"), "t"),
    (re.compile(r"kh|gh|qu|q|g(?!$)"), "k"),
    (re.compile(r"v|w"), "v"),
    (re.compile(r"b"), "p"),
    (re.compile(r"d"), "t"),
    (re.compile(r"g|h$|ck"), ""),
)
_VOWELS: Final = re.compile(r"[aeiouyh]")
_WORDS: Final = re.compile(r"[^\W\d_]+(?:[\u17b4-\u17d3\u17dd\u200b\u200c\u200d]+[^\W\d_]*)*")
MAX_TOKENS: Final = 8


def tokens(name: str) -> list[str]:
    """The words of a name, folded, without honorifics; at most MAX_TOKENS."""
    folded = unicodedata.normalize("NFC", name).casefold().replace("\u200b", " ")
    found = [word for word in _WORDS.findall(folded) if word not in _HONORIFICS]
    return found[:MAX_TOKENS]


@lru_cache(maxsize=65_536)
def sound(token: str) -> str:
    """The key of one word: what its spellings have in common. Never empty."""
    spoken = _SILENCED.sub("", token)
    romanised = "".join(_BASES.get(letter, "" if "\u1780" <= letter <= "\u17ff" else letter) for letter in spoken)
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", romanised) if not unicodedata.combining(letter))
    reduced = plain
    for pattern, into in _SOUNDS:
        reduced = pattern.sub(into, reduced)
    first = "h" if reduced[:1] == "h" else "a" if reduced[:1] and reduced[0] in "aeiou" else ""
    consonants = first + _VOWELS.sub("", reduced)
    squeezed = re.sub(r"(.)\1+", r"\1", consonants)
    return squeezed or plain or token


def name_keys(*names: str) -> set[str]:
    """Keys of a person: one a word, and one of each whole name with two words or more (sorted, prefixed by `=`)."""
    keys: set[str] = set()
    for name in names:
        sounds = sorted(sound(token) for token in tokens(name))
        keys.update(sounds)
        if len(sounds) > 1:
            keys.add(whole_key(sounds))
    return keys


def whole_key(sounds: list[str]) -> str:
    """The key of a whole name from its words' keys, in any order."""
    return "=" + "".join(sorted("".join(sounds)))
