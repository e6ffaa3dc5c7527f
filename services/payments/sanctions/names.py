"""Names as they are compared with a sanctions list: Khmer and Latin, in any order, without titles. Pure.

A name is spelled by ear: Sokha, Sok Kha, Sokhah. Khmer is written without spaces, and the same person is in another
file in Latin letters. So three forms are made of a name: its letters (Khmer ones romanised), its skeleton (the
consonants, by the place where they are spoken: k/g/kh are one, t/d/th are one), and keys by which two names that may
be one find each other in an index.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Final

MOST_WORDS: Final = 7
"""Words of a name that are compared; what is beyond is joined to the last."""
_TITLES: Final = frozenset({
    "mr", "mrs", "ms", "miss", "dr", "prof", "sir", "haji", "hajji", "hadji", "sheikh", "lok", "loksrey",
    "lokchumteav", "chumteav", "oknha", "samdech", "neak", "bong",
    "លោក", "លោកស្រី", "លោកជំទាវ", "អ្នក", "អ្នកស្រី", "អ្នកនាង", "ឯកឧត្តម", "ឧកញ៉ា", "សម្តេច", "សម្ដេច",
    "បណ្ឌិត", "កញ្ញា",
})  # fmt: skip
_KHMER: Final = {
    "ក": "k", "ខ": "kh", "គ": "k", "ឃ": "kh", "ង": "ng", "ច": "ch", "ឆ": "chh", "ជ": "ch", "ឈ": "chh", "ញ": "nh",
    "ដ": "d", "ឋ": "th", "ឌ": "d", "ឍ": "th", "ណ": "n", "ត": "t", "ថ": "th", "ទ": "t", "ធ": "th", "ន": "n",
    "ប": "b", "ផ": "ph", "ព": "p", "ភ": "ph", "ម": "m", "យ": "y", "រ": "r", "ល": "l", "វ": "v", "ស": "s", "ហ": "h",
    "ឡ": "l", "អ": "",
}  # fmt: skip
_VOWELS: Final = {
    "\u17b6": "a", "\u17b7": "i", "\u17b8": "i", "\u17b9": "eu", "\u17ba": "eu", "\u17bb": "o", "\u17bc": "u",
    "\u17bd": "uo", "\u17be": "eu", "\u17bf": "eua", "\u17c0": "ie", "\u17c1": "e", "\u17c2": "e", "\u17c3": "ai",
    "\u17c4": "o", "\u17c5": "au", "\u17c6": "am", "\u17c7": "ah", "\u17a5": "e", "\u17a6": "ei", "\u17a7": "o",
    "\u17a9": "ou", "\u17aa": "ov", "\u17ab": "rue", "\u17ac": "rue", "\u17ad": "lue", "\u17ae": "lue",
    "\u17af": "ae", "\u17b0": "ai", "\u17b1": "ao", "\u17b3": "au",
}  # fmt: skip
_COENG: Final = "\u17d2"
_PAIRS: Final = (
    ("chh", "c"), ("ch", "c"), ("kh", "k"), ("gh", "k"), ("ph", "p"), ("th", "t"), ("dh", "t"), ("sh", "s"),
    ("ng", "n"), ("nh", "n"), ("ny", "n"), ("ck", "k"),
)  # fmt: skip
_CLASSES: Final = str.maketrans("bpfdtgkqjcszxvwmnrl", "pppttkkkccsssvvmnrl", "aeiouyh")


@dataclass(frozen=True, slots=True)
class Form:
    """Words joined: as written, in alphabetical order, with the first word last; how many, and spaced."""

    written: str
    ordered: str
    turned: str
    words: int
    spaced: str

    @classmethod
    def of(cls, words: tuple[str, ...]) -> Form:
        """Join them."""
        ordered = " ".join(sorted(words))
        return cls("".join(words), ordered, "".join((*words[1:], *words[:1])), len(words), " ".join(words))


@dataclass(frozen=True)
class Name:
    """A name taken apart. `words`: folded, without titles, in the order written."""

    words: tuple[str, ...]

    @cached_property
    def letters(self) -> tuple[str, ...]:
        """The words in Latin letters."""
        return tuple(romanised(word) for word in self.words)

    @cached_property
    def skeletons(self) -> tuple[str, ...]:
        """The consonants of each word."""
        return tuple(skeleton(letters) for letters in self.letters)

    @cached_property
    def forms(self) -> tuple[Form, Form]:
        """Letters and skeletons, joined as they are compared."""
        return Form.of(self.letters), Form.of(self.skeletons)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Two names that may be one share a key, or keys one letter apart (`near`)."""
        bones = self.skeletons
        if len(bones) == 1:
            return frozenset(bones)
        pairs = {first + second for first, second in permutations(bones, 2)}
        return frozenset(pairs | {"".join(bones), "".join((*bones[1:], bones[0])), "".join((bones[-1], *bones[:-1]))})


def taken_apart(name: str) -> Name:
    """A name as it is compared; no words: it holds none."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    plain = (c for c in folded if not "\u0300" <= c <= "\u036f" and c not in "\u200b\u200c\u200d'’`.")
    letters = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in plain)
    words = letters.split()
    kept = [word for word in words if word not in _TITLES and not word.isdigit()]
    words = kept if len(kept) >= 2 or (kept and not all(ord(c) < 128 for c in kept[0])) else words
    if len(words) > MOST_WORDS:
        words = [*words[: MOST_WORDS - 1], "".join(words[MOST_WORDS - 1 :])]
    return Name(tuple(word for word in words if not word.isdigit()) or tuple(words))


def romanised(word: str) -> str:
    """A Khmer word in Latin letters, roughly as it is spoken; others as they are.

    A consonant before another that is not written below it is followed by an unwritten vowel, taken for an `a`.
    """
    parts: list[str] = []
    open_consonant = below = False
    for c in word:
        if c in _KHMER:
            if open_consonant and not below:
                parts.append("a")
            parts.append(_KHMER[c])
            open_consonant, below = True, False
        elif c == _COENG:
            below = True
        elif c in _VOWELS:
            parts.append(_VOWELS[c])
            open_consonant = below = False
        elif not "\u1780" <= c <= "\u17ff":
            parts.append(c)
            open_consonant = below = False
    return "".join(parts)


def skeleton(letters: str) -> str:
    """The consonants of a romanised word by where they are spoken, doubled ones once; a silent last r dropped."""
    word = letters[:-1] if len(letters) > 2 and letters.endswith("r") else letters
    for pair, one in _PAIRS:
        word = word.replace(pair, one)
    bones = word.translate(_CLASSES)
    once = "".join(c for index, c in enumerate(bones) if index == 0 or bones[index - 1] != c)
    return once or letters[:1]


def near(key: str) -> Iterable[str]:
    """The key and, of one that is long enough, the key without each of its letters: neighbours share one of them."""
    yield key
    if len(key) >= 4:
        for index in range(len(key)):
            yield key[:index] + key[index + 1 :]
