"""What an account number may look like, and how it is hidden. Pure but for the ciphers it is given."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from services.payments.rails.names import RAIL_NAMES
from shared.crypto import FieldCipher, KeyedHash

NUMBER_CONTEXT: Final = "account.number"
NAME_CONTEXT: Final = "account.holder_name"
PROOF_CONTEXT: Final = "account.proof"
BORN_CONTEXT: Final = "account.holder_birth_date"
ANY_PURPOSE: Final = "any"
"""An account for every programme; one whose purpose is a programme's code is preferred for that programme."""

HOME_COUNTRY: Final = "855"
"""Country code of a wallet's number that begins with a single 0."""
_SEPARATORS = re.compile(r"[\s.()-]+")
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_WALLETS = frozenset({"mobile_money"})
_NUMBERS: dict[str, re.Pattern[str]] = {"mobile_money": re.compile(r"[1-9][0-9]{7,14}", re.ASCII)}
_ANY_NUMBER = re.compile(r"[A-Z0-9]{4,34}")
_PROVIDER = re.compile(r"[A-Za-z0-9_.-]{1,35}")
_PURPOSE = re.compile(r"[A-Za-z0-9_-]{1,40}")
MAX_NAME: Final = 140
"""ISO 20022 Max140Text: what a bank file can carry."""


class Validation(StrEnum):
    """What the provider says of a number and a name."""

    UNKNOWN = "unknown"
    MATCHED = "matched"
    PARTIAL = "partial"
    MISMATCHED = "mismatched"
    NOT_FOUND = "not_found"
    UNSUPPORTED = "unsupported"


class AccountStatus(StrEnum):
    """An account is never deleted."""

    ACTIVE = "active"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Payee:
    """Where and to whom a rail pays. The number is shown to rails only: `repr` hides both."""

    name: str = field(repr=False)
    number: str = field(repr=False)
    provider: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """An account as it is stored."""

    number_encrypted: bytes
    number_hash: bytes
    holder_name_encrypted: bytes
    holder_name_hash: bytes
    holder_born_encrypted: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sealing:
    """A proof as it is stored: its kind in clear, where it is found encrypted."""

    kind: str
    reference: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a field. The message never repeats the value."""

    field: str
    code: str
    message: str


def normal_number(number: str, rail: str = "") -> str:
    """A number as it is stored and compared: without separators, in capitals.

    A wallet's is international, without a sign before it: 012 345 678, +855 12 345 678, 00855 12345678 and 85512345678
    are one wallet, by whichever of them it was written down, or an operator names it.
    """
    plain = _SEPARATORS.sub("", number).upper().removeprefix("+")
    if rail not in _WALLETS or not _DIGITS.fullmatch(plain):
        return plain
    if plain.startswith("00"):
        return plain[2:]
    return HOME_COUNTRY + plain[1:] if plain.startswith("0") else plain


def find_faults(rail: str, provider: str, number: str, holder_name: str, purpose: str) -> list[Fault]:
    """What is wrong with an account's fields; empty when nothing is."""
    faults = []
    if rail not in RAIL_NAMES:
        faults.append(Fault("rail", "unknown_rail", f"The rail is one of: {', '.join(RAIL_NAMES)}."))
    elif not _NUMBERS.get(rail, _ANY_NUMBER).fullmatch(normal_number(number, rail)):
        kind = "8 to 15 digits, a + before them allowed" if rail in _NUMBERS else "4 to 34 letters and digits"
        faults.append(Fault("account_number", "bad_account_number", f"For {rail}, the number has {kind}."))
    if not _PROVIDER.fullmatch(provider):
        faults.append(Fault("provider", "bad_provider", "The provider is a code of 1 to 35 letters, digits, _ . -"))
    if not 0 < len(holder_name.strip()) <= MAX_NAME:
        faults.append(Fault("holder_name", "bad_holder_name", f"The holder's name has 1 to {MAX_NAME} characters."))
    if not _PURPOSE.fullmatch(purpose):
        faults.append(Fault("purpose", "bad_purpose", "The purpose is `any` or a programme's code."))
    return faults


def seal(
    cipher: FieldCipher, number_hash: KeyedHash, rail: str, provider: str, number: str, holder_name: str, born: str = ""
) -> Sealed:
    """Encrypt an account's number, name and date of birth; the hash tells rails and providers apart."""
    plain = normal_number(number, rail)
    return Sealed(
        cipher.encrypt(plain, NUMBER_CONTEXT),
        number_hash.digest(plain, f"{rail}:{provider}"),
        cipher.encrypt(holder_name.strip(), NAME_CONTEXT),
        name_hash(number_hash, holder_name),
        cipher.encrypt(born, BORN_CONTEXT) if born else None,
    )


def normal_name(name: str) -> str:
    """A name as it is compared: without accents, marks and case, its words in alphabetical order."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    plain = (c for c in folded if not "\u0300" <= c <= "\u036f")  # accents of Latin letters; Khmer signs stay
    letters = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in plain)
    return " ".join(sorted(letters.split()))


def name_hash(keyed: KeyedHash, name: str) -> bytes:
    """The keyed hash under which a holder's name is compared, without being readable."""
    return keyed.digest(normal_name(name), "holder_name")


def masked(number: str) -> str:
    """A number as officers see it: its last three characters."""
    return "•••" + number[-3:]
