"""The payment file: valid against the published schema, deterministic, exact, and flat in memory."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from services.payments.rails.pain001 import is_iban, length, pieces, plain
from services.payments.rails.port import Instruction
from services.payments.rails.tests.builders import CREATED, DEBTOR, header, instructions

SPECS = Path(os.environ.get("SAMAKI_SPECS", Path(__file__).resolve().parents[5] / "shared" / "specs"))
XSD = SPECS / "iso20022" / "xsd" / "pain.001.001.09.xsd"
NS = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}


def test_the_file_is_valid_against_the_published_schema():
    if not XSD.exists():
        pytest.skip(f"the published schema is not here: set SAMAKI_SPECS ({XSD.name})")
    members = [
        *instructions(3),
        *instructions(1, provider="999999992"),
        *instructions(1, provider="Village_Bank"),
        replace(instructions(1)[0], number="KH25NATB0000000001"),
    ]
    document = etree.fromstring(b"".join(pieces(header(members), members, DEBTOR)))
    schema = etree.XMLSchema(etree.parse(str(XSD)))
    assert schema.validate(document), schema.error_log


def test_the_file_says_count_sum_and_each_reference_and_amount():
    members = instructions(1_203)
    batch = header(members)
    root = etree.fromstring(b"".join(pieces(batch, members, DEBTOR)))
    assert root.findtext(".//p:GrpHdr/p:NbOfTxs", namespaces=NS) == "1203"
    assert root.findtext(".//p:GrpHdr/p:CtrlSum", namespaces=NS) == str(batch.amount)
    assert root.findtext(".//p:GrpHdr/p:MsgId", namespaces=NS) == batch.message_id
    written = {
        tx.findtext(".//p:EndToEndId", namespaces=NS): (
            tx.findtext(".//p:InstdAmt", namespaces=NS),
            tx.findtext(".//p:Cdtr/p:Nm", namespaces=NS),
            tx.findtext(".//p:CdtrAcct/p:Id/p:Othr/p:Id", namespaces=NS),
        )
        for tx in root.iterfind(".//p:CdtTrfTxInf", NS)
    }
    assert written == {i.end_to_end_id: (str(i.amount), i.holder_name, i.number) for i in members}


def test_the_same_batch_written_twice_is_the_same_bytes_and_its_length_is_known_beforehand():
    members = instructions(700)
    batch = header(members)
    first, second = (b"".join(pieces(batch, members, DEBTOR)) for _ in range(2))
    assert first == second
    assert len(first) == length(batch, members, DEBTOR)


def test_a_batch_that_does_not_hold_what_it_promises_is_not_written():
    members = instructions(4)
    with pytest.raises(ValueError, match="promises 4"):
        length(header(members), members[:-1], DEBTOR)
    with pytest.raises(ValueError, match="promises 4"):
        length(header(members), [*members[:-1], replace(members[-1], amount=Decimal(1))], DEBTOR)


@given(st.text(max_size=200), st.text(max_size=60))
def test_any_name_and_number_give_well_formed_xml(name: str, number: str):
    member = Instruction("abc", Decimal(1), "KHR", "ACLBKHPP", number, name)
    etree.fromstring(b"".join(pieces(header([member]), [member], DEBTOR)))


@given(st.decimals(min_value="0.01", max_value="9999999999999999.99", places=2))
def test_an_amount_is_written_exactly(amount: Decimal):
    assert Decimal(plain(amount)) == amount
    assert "E" not in plain(amount)


def test_an_amount_in_riel_has_no_decimals():
    assert plain(Decimal("592000.00")) == "592000"
    assert plain(Decimal("100.50")) == "100.5"


def test_ibans_are_told_from_domestic_numbers():
    assert is_iban("KH25 NATB 0000 0000 01")
    assert not is_iban("KH26NATB0000000001")
    assert not is_iban("000123456789")


def test_memory_does_not_grow_with_the_batch():
    def generated(count: int) -> Iterator[Instruction]:
        return (
            Instruction(f"{i:032x}", Decimal(1000), "KHR", "ACLBKHPP", f"{i:012d}", "Sok Dara") for i in range(count)
        )

    def peak(count: int) -> int:
        batch = replace(header(instructions(1)), count=count, amount=Decimal(1000) * count, created_at=CREATED)
        tracemalloc.start()
        for _ in pieces(batch, generated(count), DEBTOR):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(20_000) < 2 * peak(2_000) + 100_000


def test_an_instruction_does_not_show_its_payee_in_logs():
    shown = repr(instructions(1)[0])
    assert "Dara" not in shown
    assert "000123" not in shown
