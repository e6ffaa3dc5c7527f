"""What a name says once spelling, order and honorifics are set aside. Pure.

Khmer names reach the register in Khmer script, in Latin letters by ear (Vuthy, Vouthy, Wuthy), family name first or
last, with or without a title, in one word or two. Two forms of each name are kept:

* `spelling`: Latin letters, variants of one sound written one way, words in alphabetical order;
* `sound`: the consonants of each word alone, which is what the two scripts and all spellings share.

The tables follow the usual romanisations (UNGEGN and Geographic Department) and what clerks write; they are rough on
purpose: a comparison weighs the result, it does not trust it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_CONSONANTS: Final = dict(
    zip(
        "កខគឃងចឆជឈញដឋឌឍណតថទធនបផពភមយរលវសហឡអ",
        [
            "k",
            "k",
            "k",
            "k",
            "ng",
            "ch",
            "ch",
            "ch",
            "ch",
            "nh",
            "d",
            "t",
            "d",
            "t",
            "n",
            "t",
            "t",
            "t",
            "t",
            "n",
            "b",
            "p",
            "p",
            "p",
            "m",
            "y",
            "r",
            "l",
            "v",
            "s",
            "h",
            "l",
            "-",
        ],
        strict=True,
    )
)
_VOWELS: Final = dict(
    zip(
        "ាិីឹឺុូួើឿៀេែៃោៅំះៈឥឦឧឩឪឫឭឯឱឲឳ",
        [
            "a",
            "i",
            "i",
            "e",
            "e",
            "u",
            "u",
            "u",
            "e",
            "ea",
            "ea",
            "e",
            "e",
            "ai",
            "o",
            "au",
            "om",
            "a",
            "a",
            "i",
            "i",
            "u",
            "u",
            "au",
            "ri",
            "li",
            "e",
            "o",
            "o",
            "au",
        ],
        strict=True,
    )
)
_SUBSCRIPT: Final = "\u17d2"
_SILENCER: Final = "\u17cd"
_HARDENER: Final = "\u17c9"
_ZERO_WIDTH: Final = re.compile("[\u200b-\u200f\ufeff]")
_KHMER: Final = re.compile("[\u1780-\u17ff]")
_APART: Final = re.compile(r"[\s,;/.\-_·()]+")

_TITLES: Final = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "dr",
        "prof",
        "lok",
        "look",
        "loak",
        "lork",
        "lokta",
        "oknha",
        "neak",
        "anak",
        "neaksrey",
        "loksrey",
        "lokchumteav",
        "chumteav",
        "kanha",
        "bong",
        "ta",
        "yeay",
        "om",
        "ming",
        "pu",
        "ven",
        "preah",
        "h.e",
        "he",
        "excellency",
    ]
)
_LADY: Final = frozenset({"lok", "look", "neak", "anak"})
_KHMER_TITLES: Final = (
    *("លោកជំទាវ", "លោកស្រី", "លោកតា", "លោក", "អ្នកស្រី", "អ្នកនាង", "អ្នក", "នាងកញ្ញា", "កញ្ញា", "ឧកញ៉ា"),
    *("ឯកឧត្តម", "បងស្រី", "បង", "ព្រះ", "តា", "យាយ", "ពូ", "មីង", "អ៊ំ"),
)

_SPELLINGS: Final = (
    (re.compile(r"chh|tch|tj|j|(?<!s)ch|c(?=[eiy])"), "C"),
    (re.compile(r"sh|x|z"), "s"),
    (re.compile(r"ph|f"), "p"),
    (re.compile(r"th"), "t"),
    (re.compile(r"kh|gh|ck|q|g(?!n)(?<!ng)|c"), "k"),
    (re.compile(r"nk$|nk(?=[aeiou])"), "ng"),
    (re.compile(r"gn|ny(?=[aeiou])|nh"), "N"),
    (re.compile(r"w"), "v"),
    (re.compile(r"bp"), "b"),
    (re.compile(r"dt"), "t"),
    (re.compile(r"oeu|eu|oe"), "e"),
    (re.compile(r"oo|ou|uo|w"), "u"),
    (re.compile(r"ee|ie$|y$|ey$|ei$|ii"), "i"),
    (re.compile(r"ia|ea|ya|ie"), "ea"),
    (re.compile(r"ay|ai|ei|ey"), "ai"),
    (re.compile(r"y(?=[aeiou])"), "Y"),
    (re.compile(r"y"), "i"),
    (re.compile(r"aa+"), "a"),
    (re.compile(r"(?<=.)h"), ""),
    (re.compile(r"r$"), ""),
    (re.compile(r"(.)\1+"), r"\1"),
)
_NOT_SOUND: Final = re.compile(r"(?<=.)[aeiouY]+")


@dataclass(frozen=True, slots=True)
class NameForm:
    """A name as it is compared.

    Attributes:
        spelling: words in order of the alphabet, each in its one spelling, apart by blanks.
        sound: the same words by their consonants.
        words: how many there are.
    """

    spelling: str
    sound: str
    words: int


EMPTY: Final = NameForm("", "", 0)


@lru_cache(maxsize=200_000)
def name_form(text: str) -> NameForm:
    """The form of a name in either script; EMPTY if it has no letter."""
    words = [spelled for word in _words(text) if (spelled := _spelling(word))]
    if not words:
        return EMPTY
    words.sort()
    return NameForm(" ".join(words), " ".join(sorted(filter(None, map(_sound, words)))), len(words))


def _words(text: str) -> list[str]:
    plain = _ZERO_WIDTH.sub("", unicodedata.normalize("NFC", text)).strip()
    words = [word for word in _APART.split(plain) if word]
    words = [word for word in (_without_title(word) for word in words) if word] or words
    lowered = [word.casefold() for word in words]
    if len(lowered) > 2 and lowered[0] in _LADY and lowered[1] == "srey":
        lowered = lowered[2:]
    while len(lowered) > 2 and lowered[0] in _TITLES:  # "Om" alone with one other word may be a family name
        lowered = lowered[1:]
    if len(lowered) == 2 and lowered[0] in _TITLES and len(lowered[0]) > 2:
        lowered = lowered[1:]
    return lowered


def _without_title(word: str) -> str:
    if not _KHMER.search(word):
        return word
    for title in _KHMER_TITLES:
        if word == title:
            return ""
    return word


@lru_cache(maxsize=200_000)
def _spelling(word: str) -> str:
    letters = _romanised(word) if _KHMER.search(word) else unicodedata.normalize("NFKD", word)
    letters = re.sub(r"[^a-z]", "", letters.casefold())
    for pattern, written in _SPELLINGS:
        letters = pattern.sub(written, letters)
    return letters


def _sound(word: str) -> str:
    """Consonants; a vowel counts only as the first letter, and there all vowels count as one."""
    skeleton = _NOT_SOUND.sub("", word)
    if skeleton[:1] in set("aeiouY"):
        skeleton = "-" + skeleton[1:]
    return skeleton.replace("C", "c").replace("N", "n").replace("ng", "n")


def _romanised(word: str) -> str:
    letters: list[str] = []
    for position, sign in enumerate(word):
        if sign in _CONSONANTS:
            letters.append(_inherent(word, position) + _CONSONANTS[sign].replace("-", "a" if position == 0 else ""))
        elif sign in _VOWELS:
            letters.append(_VOWELS[sign])
        elif sign == _SILENCER and letters:
            letters.pop()
        elif sign == _HARDENER and letters and letters[-1].endswith("b"):
            letters[-1] = letters[-1][:-1] + "p"
        elif sign.isascii() and sign.isalpha():
            letters.append(sign)
    return "".join(letters)


def _inherent(word: str, position: int) -> str:
    """The vowel that is heard between two consonants that nothing joins: between the last two, and no other."""
    if position == 0 or word[position - 1] not in _CONSONANTS:
        return ""
    return "o" if position == len(word) - 1 else "a"
