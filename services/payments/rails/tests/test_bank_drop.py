"""A bank behind directories: the rail's contract with mock-bank's own folder transport, checksums, signatures."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.payments.rails.bank_drop import BankDropRail
from services.payments.rails.detached import NotGenuine, check, public_key, sha256_of, sign
from services.payments.rails.port import Answer, BatchHeader, Document, Instruction, Submission
from services.payments.rails.tests.builders import DEBTOR, camt, entry, header, instructions
from services.payments.rails.tests.contract import Counterpart, RailContract
from services.payments.rails.tests.platform import SERVICE, SETTINGS, MockBank, mock_bank, sent, states
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

BANK_KEY = Ed25519PrivateKey.from_private_bytes(b"b" * 32)
BANK_PUBLIC = base64.b64encode(BANK_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


class _Courier(BankDropRail):
    """Carries files between the directories and mock-bank's HTTP doors, signing for the bank; loses answers as told."""

    def __init__(self, directory: Path, bank: MockBank) -> None:
        super().__init__(directory, DEBTOR, Ed25519PrivateKey.from_private_bytes(b"o" * 32), BANK_KEY.public_key())
        self.directory, self.bank, self.lose = directory, bank, 0

    async def submit(self, batch: BatchHeader, members: Sequence[Instruction]) -> Submission:
        answer = await super().submit(batch, members)
        self._carry()
        if self.lose:
            self.lose -= 1
            return Submission(Answer.UNKNOWN)
        return answer

    def fetch(self, open_batches: Sequence[BatchHeader]) -> AsyncIterator[Document]:
        for message in self.bank.call("GET", "/_mock/mailbox"):
            put(self.directory, f"{message['id']}.xml", message["body"].encode())
        return super().fetch(open_batches)

    def _carry(self) -> None:
        import httpx

        (self.directory / "out" / "processed").mkdir(exist_ok=True)
        for path in (self.directory / "out").glob("*.xml"):
            content = path.read_bytes()
            httpx.post(self.bank.url + "/payments", content=content, trust_env=False, timeout=30).raise_for_status()
            path.rename(path.parent / "processed" / path.name)


def put(directory: Path, name: str, body: bytes, *, key: Ed25519PrivateKey | None = BANK_KEY, **wrong: str) -> None:
    digest = hashlib.sha256(body).digest()
    (directory / "in" / name).write_bytes(body)
    if key is not None:
        (directory / "in" / f"{name}.sig").write_text(wrong.get("signature") or sign(key, digest))
    (directory / "in" / f"{name}.sha256").write_text(wrong.get("checksum") or f"{digest.hex()}  {name}\n")


class TestDropAsARail(RailContract):
    """The contract over directories."""

    @pytest.fixture
    async def other(self, tmp_path: Path) -> AsyncIterator[Counterpart]:
        with mock_bank() as bank:
            rail = _Courier(tmp_path, bank)

            def paid() -> dict[str, int]:
                return dict(Counter(payment["end_to_end_id"] for payment in bank.call("GET", "/_mock/payments")))

            yield Counterpart(rail, paid, lambda n: setattr(rail, "lose", n))


def rail(directory: Path) -> BankDropRail:
    return BankDropRail(directory, DEBTOR, Ed25519PrivateKey.from_private_bytes(b"o" * 32), BANK_KEY.public_key())


async def test_a_file_goes_out_whole_with_its_checksum_and_signature(tmp_path: Path):
    members = instructions(3)
    batch = header(members)
    assert (await rail(tmp_path).submit(batch, members)).answer is Answer.ACCEPTED
    path = tmp_path / "out" / f"{batch.message_id}.xml"
    ours = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key()
    check(sha256_of(path), path.with_suffix(".xml.sha256").read_text(), path.with_suffix(".xml.sig").read_text(), ours)
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == sorted(
        path.name + more for more in ("", ".sha256", ".sig")
    )
    assert (await rail(tmp_path).query(batch)).answer is Answer.ACCEPTED
    assert (await rail(tmp_path).query(header(members))).answer is Answer.ABSENT
    with pytest.raises(ValueError, match="promises"):
        await rail(tmp_path).submit(header(members), members[:1])


@pytest.mark.parametrize(
    "wrong",
    [{"checksum": "0" * 64}, {"signature": "AAAA"}, {"signature": sign(BANK_KEY, b"another file's hash .........")}],
)
async def test_a_file_whose_checksum_or_signature_is_wrong_is_put_aside_and_the_next_is_read(
    tmp_path: Path, wrong: dict[str, str]
):
    bank = rail(tmp_path)
    put(tmp_path, "1.xml", camt("camt.054", "N1", []), **wrong)
    put(tmp_path, "2.xml", camt("camt.054", "N2", []))
    assert [document.reference async for document in bank.fetch([])] == ["2.xml"]
    assert (tmp_path / "in" / "refused" / "1.xml").exists()


async def test_an_unsigned_file_is_put_aside_and_one_still_being_written_is_left(tmp_path: Path):
    bank = rail(tmp_path)
    put(tmp_path, "1.xml", b"<x/>", key=None)
    (tmp_path / "in" / "2.xml").write_bytes(b"<half")  # its checksum is not there yet
    (tmp_path / "in" / "3.xml.tmp").write_bytes(b"<half")
    assert [document async for document in bank.fetch([])] == []
    assert (tmp_path / "in" / "2.xml").exists()
    assert (tmp_path / "in" / "refused" / "1.xml").exists()


async def test_recorded_files_are_moved_aside_and_not_handed_over_again(tmp_path: Path):
    bank = rail(tmp_path)
    put(tmp_path, "1.xml", camt("camt.054", "N1", []))
    documents = [replace(document, body=b"") async for document in bank.fetch([])]
    await bank.acknowledge(documents)
    assert [document async for document in bank.fetch([])] == []
    assert (tmp_path / "in" / "done" / "1.xml").exists()


def test_a_signature_is_over_these_bytes_by_this_key():
    digest = hashlib.sha256(b"x").digest()
    check(digest, digest.hex(), sign(BANK_KEY, digest), public_key(BANK_PUBLIC))
    for checksum, signature in (("", ""), (digest.hex(), ""), (digest.hex(), sign(BANK_KEY, b"y"))):
        with pytest.raises(NotGenuine):
            check(digest, checksum, signature, public_key(BANK_PUBLIC))


async def test_a_service_with_a_directory_reconciles_what_the_bank_puts_there(
    make_service: MakeService, tmp_path: Path
):
    service = await make_service(SERVICE, **SETTINGS | {"bank_drop_directory": tmp_path})
    from services.payments.rails.clients import clients_of

    drop = clients_of(service.context).rails["bank"]
    _, (one,) = await sent(service, 1)
    clients_of(service.context).rails["bank"] = drop  # type: ignore[index]
    put(tmp_path, "n.xml", camt("camt.054", "N1", [entry(one.reference, str(one.amount))]))
    await service.http.post("/payments/v1/rails:poll", headers=service.token("payment_officer"))
    await service.run_jobs()
    assert await states(service, [one]) == ["settled"]
    assert (tmp_path / "in" / "done" / "n.xml").exists()


# --- the same seals on the HTTP inbox -------------------------------------------------------------------------------


async def hand_in(service: TestService, body: bytes, **headers: str) -> Any:
    sealed = service.token("integration") | {name.replace("_", "-"): value for name, value in headers.items()}
    return await service.http.post("/payments/v1/rails/bank/inbox", content=body, headers=sealed)


async def test_over_http_the_digest_and_the_signature_are_verified_too(make_service: MakeService):
    service = await make_service(SERVICE, **SETTINGS | {"bank_verifying_key": BANK_PUBLIC})
    body = camt("camt.054", "N1", [])
    digest = hashlib.sha256(body).digest()
    good = {"x_signature_ed25519": sign(BANK_KEY, digest)}
    for wrong in ({}, {"x_signature_ed25519": sign(BANK_KEY, b"z")}, good | {"content_digest": "sha-256=:AAAA:"}):
        answer = await hand_in(service, body, **wrong)
        assert (answer.status_code, answer.json()["code"]) == (401, "statement_not_genuine")
    told = f"sha-256=:{base64.b64encode(digest).decode()}:"
    assert (await hand_in(service, body, **good, content_digest=told)).status_code == 201
