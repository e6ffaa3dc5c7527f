"""Payees as a source names them: what is wrong with one, and how it is stored. Pure but for the ciphers given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.payments.accounts.model import Sealed, find_faults, seal
from shared.crypto import FieldCipher, KeyedHash
from shared.ids import deterministic_uuid, reference, valid_reference

ID_CONTEXT: Final = "external_payee.id"
_HASH_KIND: Final = "external_payee"
CASH: Final = "cash"


class PayeeFault(StrEnum):
    """Why a payee was not registered, changed or found. Never says more about a person than the source said itself."""

    BAD_ID = "bad_id"
    REPEATED = "repeated"
    UNKNOWN = "unknown_payee"
    INACTIVE = "inactive_payee"
    BAD_ADDRESS = "bad_address"
    NO_PROVIDER = "no_provider"
    NO_ACCOUNT = "no_account"
    MODALITY = "modality_not_offered"
    ALREADY = "already_registered"
    UNREGISTERED = "unregistered_address"


EXPLAINED: Final = {
    PayeeFault.BAD_ID: "The payee's id is empty or too long.",
    PayeeFault.REPEATED: "The payee is named twice in this request.",
    PayeeFault.UNKNOWN: "The payee is not registered.",
    PayeeFault.INACTIVE: "The payee was switched off.",
    PayeeFault.BAD_ADDRESS: "The financial address is not one of its kind.",
    PayeeFault.NO_PROVIDER: "The institution or operator of the address is missing.",
    PayeeFault.NO_ACCOUNT: "The payee has no active financial address.",
    PayeeFault.MODALITY: "This way of paying is not offered here.",
    PayeeFault.UNREGISTERED: "No payee of yours is registered with this financial address.",
    PayeeFault.ALREADY: "The payee is registered with another address: send an update.",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a payee is paid: rail, provider and number."""

    rail: str
    provider: str
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PayeeEntry:
    """One payee of a request. `address` is None where only the payee's state changes. All of it is personal data."""

    payee: str = field(repr=False)
    address: Address | None = field(default=None, repr=False)
    name: str = field(default="", repr=False)
    active: bool | None = None
    fault: PayeeFault | None = None


@dataclass(frozen=True, slots=True)
class SealedPayee:
    """A payee ready to be stored. `known`: the id is a reference of ours, so the payee is our beneficiary."""

    position: int
    id: UUID
    id_hash: bytes
    id_encrypted: bytes
    reference: str
    known: str | None = field(repr=False)
    address: Address | None = field(repr=False)
    sealed: Sealed | None = field(repr=False)
    active: bool | None


def hash_of(number_hash: KeyedHash, source: str, payee: str) -> bytes:
    """How a source's payee is found without being readable; two sources' equal ids do not meet."""
    return number_hash.digest(payee.strip(), f"{_HASH_KIND}:{source}")


def payee_uuid(id_hash: bytes) -> UUID:
    """The identity of a payee: the same for the same source and id."""
    return deterministic_uuid("external_payee", id_hash.hex())


def find_fault(entry: PayeeEntry, programme: str) -> PayeeFault | None:
    """What is wrong with an entry by itself."""
    if entry.fault is not None:
        return entry.fault
    if not 0 < len(entry.payee.strip()) <= 200 or "\x00" in entry.payee:
        return PayeeFault.BAD_ID
    if entry.address is None:
        return None
    if not entry.address.provider:
        return PayeeFault.NO_PROVIDER
    name = entry.name.strip() or "payee"
    if find_faults(entry.address.rail, entry.address.provider, entry.address.number, name, programme):
        return PayeeFault.BAD_ADDRESS
    return None


def seal_payees(
    entries: Sequence[PayeeEntry], *, source: str, programme: str, cipher: FieldCipher, number_hash: KeyedHash
) -> tuple[list[SealedPayee], dict[int, PayeeFault]]:
    """Entries ready to be stored, and the faults of the others, by position. Costs some microseconds each."""
    ready: list[SealedPayee] = []
    faults: dict[int, PayeeFault] = {}
    seen: set[bytes] = set()
    for position, entry in enumerate(entries):
        fault = find_fault(entry, programme)
        id_hash = b"" if fault else hash_of(number_hash, source, entry.payee)
        if fault is None and id_hash in seen:
            fault = PayeeFault.REPEATED
        if fault is not None:
            faults[position] = fault
            continue
        seen.add(id_hash)
        payee, identity = entry.payee.strip(), payee_uuid(id_hash)
        address = entry.address
        ready.append(
            SealedPayee(
                position,
                identity,
                id_hash,
                cipher.encrypt(payee, ID_CONTEXT),
                reference("EP", identity),
                payee.upper() if valid_reference(payee) else None,
                address,
                None if address is None else _sealed(cipher, number_hash, address, entry.name.strip() or payee),
                entry.active,
            )
        )
    return ready, faults


def _sealed(cipher: FieldCipher, number_hash: KeyedHash, address: Address, name: str) -> Sealed:
    return seal(cipher, number_hash, address.rail, address.provider, address.number, name[:140])
