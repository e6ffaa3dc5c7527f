"""Reading what rails say: exactly, line by line, and without being harmed by it."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.rails.tests.builders import camt, entry, group_rejection, pacs004, pain002
from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.iso20022 import StatementReader
from services.payments.reconciliation.model import (
    Line,
    Scheme,
    confirms_batch,
    reason_text,
    rejects_batch,
    status_kind,
)

SAMPLES = (
    Path(os.environ.get("SAMAKI_SPECS", Path(__file__).resolve().parents[5] / "shared" / "specs"))
    / "iso20022"
    / "samples"
)


def read(body: bytes) -> tuple[list[Line], StatementReader]:
    reader = StatementReader(body)
    return list(reader.lines()), reader


def test_a_status_report_is_read_line_by_line():
    lines, reader = read(pain002("M1", "SMK1", [("a", "ACCP", ""), ("b", "RJCT", "AC04"), ("c", "XXXX", "")]))
    assert [(line.end_to_end_id, line.kind, line.reason_code) for line in lines] == [
        ("a", "accepted", ""),
        ("b", "failed", "AC04"),
        ("c", None, ""),
    ]
    assert (reader.head.kind, reader.head.message_id, reader.head.original_message_id) == ("pain.002", "M1", "SMK1")
    assert confirms_batch(reader.head)
    assert not rejects_batch(reader.head)


def test_a_group_rejection_refuses_the_batch_but_a_duplicate_answer_confirms_it():
    _, refused = read(group_rejection("M1", "SMK1", "FF01"))
    assert rejects_batch(refused.head)
    assert not confirms_batch(refused.head)
    _, duplicate = read(group_rejection("M2", "SMK1", "DUPL"))
    assert not rejects_batch(duplicate.head)
    assert confirms_batch(duplicate.head)


def test_a_promise_without_an_amount_settles_nothing():
    assert status_kind("ACSC", has_amount=False) == "accepted"
    assert status_kind("ACSC", has_amount=True) == "settled"
    assert status_kind("ACCP", has_amount=True) == "accepted"


@pytest.mark.parametrize("kind", ["camt.054", "camt.053"])
def test_booked_entries_are_settlements_and_returns_are_returns(kind: str):
    lines, reader = read(
        camt(
            kind,
            "M1",
            [
                entry("a", "80001.00", payee="000123"),
                entry("b", "5", direction="CRDT", returned="AC04"),
                entry("c", "7", direction="CRDT"),
            ],
        )
    )
    assert reader.head.kind == kind
    first, second, third = lines
    assert (first.kind, first.amount, first.currency, first.on) == (
        "settled",
        Decimal("80001.00"),
        "KHR",
        date(2020, 7, 28),
    )
    assert (first.payee_scheme, first.payee_number) == (Scheme.OTHER, "000123")
    assert "000123" not in repr(first)
    assert (second.kind, second.reason_code) == ("returned", "AC04")
    assert third.kind is None  # money that came in from somebody else


def test_pending_entries_are_not_bookings():
    body = camt("camt.054", "M1", [entry("a", "1")]).replace(b"<Cd>BOOK</Cd>", b"<Cd>PDNG</Cd>")
    assert read(body)[0] == []


def test_one_entry_may_bundle_many_transactions():
    one, two = entry("a", "1").replace(">1<", ">3<", 1), entry("b", "2")
    details = two[two.index("<TxDtls>") : two.index("</NtryDtls>")]
    lines, _ = read(camt("camt.054", "M1", [one.replace("</NtryDtls>", details + "</NtryDtls>"), entry("c", "3")]))
    assert [(line.number, line.end_to_end_id, line.amount) for line in lines] == [
        (0, "a", Decimal(1)),
        (1, "b", Decimal(2)),
        (2, "c", Decimal(3)),
    ]


def test_a_return_message_is_read():
    lines, reader = read(pacs004("M1", "SMK1", "a", "80000.00", reason="MD07"))
    assert (lines[0].kind, lines[0].amount, lines[0].reason_code) == ("returned", Decimal(80000), "MD07")
    assert reader.head.original_message_id == "SMK1"


def test_free_text_of_the_bank_goes_nowhere():
    lines, _ = read(pain002("M1", "SMK1", [("b", "RJCT", "AC04")]))
    assert "Dara" not in repr(lines)
    assert reason_text("AC04") == "The account is closed."
    assert reason_text("ZZ99") == "Refused by the rail with reason ZZ99."


@pytest.mark.parametrize("cut", [1, 60, 200, 500, -1, -20, -200])
def test_a_file_cut_short_is_refused(cut: int):
    whole = camt("camt.054", "M1", [entry(str(i), "1") for i in range(5)])
    with pytest.raises(StatementMalformed):
        read(whole[:cut])


def test_entities_and_document_types_are_refused():
    bomb = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>""" + camt(
        "camt.054", "&b;", []
    ).removeprefix(b'<?xml version="1.0"?>')
    with pytest.raises(StatementMalformed, match="document type"):
        read(bomb)


def test_an_external_entity_reads_no_file(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("classified")
    body = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]>'.encode() + camt(
        "camt.054", "&x;", []
    ).removeprefix(b'<?xml version="1.0"?>')
    with pytest.raises(StatementMalformed):
        read(body)


def test_deep_nesting_is_refused_not_followed():
    body = camt("camt.054", "M1", ["<Ntry>" * 5_000 + "</Ntry>" * 5_000])
    with pytest.raises(StatementMalformed):
        read(body)


def test_other_messages_are_refused_by_name():
    with pytest.raises(StatementUnknownKind):
        read(b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><a/></Document>')
    with pytest.raises(StatementUnknownKind):
        read(b"<html><body/></html>")


@pytest.mark.parametrize("amount", ["", "ten", "-1", "1e3x", "NaN", "Infinity", "1.000001", "99999999999999999"])
def test_an_amount_that_is_none_makes_that_line_unreadable_and_no_other(amount: str):
    lines, _ = read(camt("camt.054", "M1", [entry("a", amount), entry("b", "7")]))
    assert [bool(line.problem) for line in lines] == [True, False]
    assert (lines[0].kind, lines[0].end_to_end_id, lines[1].amount) == (None, "", Decimal(7))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_problem_never_a_crash(body: bytes):
    with pytest.raises((StatementMalformed, StatementUnknownKind)):
        read(body)


@given(st.integers(0, 600), st.binary(min_size=1, max_size=4))
def test_any_damage_gives_a_problem_or_lines_never_a_crash(at: int, damage: bytes):
    body = camt("camt.054", "M1", [entry("a", "1"), entry("b", "2", returned="AC04", direction="CRDT")])
    try:
        read(body[:at] + damage + body[at + len(damage) :])
    except (StatementMalformed, StatementUnknownKind):
        return


@pytest.mark.parametrize(
    "name", ["genkgo-camt_camt053.v8.xml", "genkgo-camt_camt054.v8.xml", "nordea", "goldman", "camt054-returns"]
)
def test_files_of_other_banks_are_read(name: str):
    found = sorted(SAMPLES.glob(f"*{name}*")) if SAMPLES.exists() else []
    if not found:
        pytest.skip("the sample files are not here: set SAMAKI_SPECS")
    lines, reader = read(found[0].read_bytes())
    assert reader.head.message_id
    assert all(line.end_to_end_id or line.amount is not None or line.kind for line in lines)


# --- what real banks write ------------------------------------------------------------------------------------------

OURS = "0123456789abcdef0123456789abcdef"
BATCH = f"SMK{OURS}"


def details(*transactions: tuple[str, str], amount: str, **kwargs: str) -> str:
    """One entry of this amount that bundles transactions: (reference, amount)."""
    made = [entry(ref, each, **kwargs) for ref, each in transactions]
    inner = "".join(one[one.index("<TxDtls>") : one.index("</NtryDtls>")] for one in made)
    first = made[0]
    whole = first[: first.index("<NtryDtls>")].replace(f">{transactions[0][1]}<", f">{amount}<", 1)
    return f"{whole}<NtryDtls>{inner}</NtryDtls></Ntry>"


def test_what_an_entry_moved_besides_its_transactions_is_a_line_of_its_own():
    lines, _ = read(camt("camt.053", "M1", [details(("a", "100"), ("b", "200"), amount="350"), entry("c", "3")]))
    assert [(one.number, one.kind, one.end_to_end_id, one.amount) for one in lines] == [
        (0, "settled", "a", Decimal(100)),
        (1, "settled", "b", Decimal(200)),
        (2, "settled", "", Decimal(50)),
        (3, "settled", "c", Decimal(3)),
    ]
    (paid, charged) = read(camt("camt.053", "M1", [details(("a", "100"), amount="105")]))[0]
    assert (paid.amount, charged.amount, charged.direction) == (Decimal(100), Decimal(5), "debit")
    assert paid.entry != charged.entry


def test_transactions_that_are_more_than_their_entry_are_told():
    lines, _ = read(camt("camt.053", "M1", [details(("a", "100"), ("b", "200"), amount="299")]))
    assert [bool(one.problem) for one in lines] == [False, False, True]


def test_transactions_in_another_currency_than_their_entry_are_not_added_up():
    foreign = details(("a", "20"), ("b", "20"), amount="160000").replace('<Amt Ccy="KHR">20<', '<Amt Ccy="USD">20<')
    assert len(read(camt("camt.053", "M1", [foreign]))[0]) == 2


@pytest.mark.parametrize("where", ["Btch", "Refs"])
def test_a_batch_booked_as_one_sum_is_named_by_the_batch(where: str):
    whole = entry("x", "160001")
    head, inner = whole[: whole.index("<NtryDtls>")], f"<MsgId>{BATCH.upper()}</MsgId>"
    inside = (
        f"<Btch>{inner}<NbOfTxs>2</NbOfTxs></Btch>" if where == "Btch" else f"<TxDtls><Refs>{inner}</Refs></TxDtls>"
    )
    lines, _ = read(camt("camt.053", "M1", [f"{head}<NtryDtls>{inside}</NtryDtls></Ntry>"]))
    assert [(one.kind, one.end_to_end_id, one.amount) for one in lines] == [("settled", BATCH, Decimal(160001))]


def reversal(one: str) -> str:
    return one.replace("<Sts>", "<RvslInd>true</RvslInd><Sts>", 1)


def test_a_debit_taken_back_is_a_return_and_a_credit_taken_back_is_money_that_left():
    lines, _ = read(
        camt(
            "camt.053",
            "M1",
            [
                reversal(entry("a", "7", direction="CRDT")),
                reversal(entry("b", "8")),
                entry("c", "9", direction="CRDT").replace(
                    "<AcctSvcrRef>",
                    "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>RRTN</SubFmlyCd></Fmly></Domn></BkTxCd>"
                    "<AcctSvcrRef>",
                ),
            ],
        )
    )
    assert [(one.kind, one.end_to_end_id, one.direction) for one in lines] == [
        ("returned", "a", "credit"),
        ("settled", "", "debit"),
        ("returned", "c", "credit"),
    ]


def test_who_is_credited_by_what_comes_back_is_not_taken_for_the_payee():
    (line,) = read(camt("camt.053", "M1", [entry("a", "7", direction="CRDT", returned="AC04", payee="TREASURY")]))[0]
    assert (line.payee_scheme, line.payee_number) == (Scheme.NONE, "")


@pytest.mark.parametrize("written", [OURS.upper(), f"  {OURS} ", f"{OURS}\n"])
def test_a_reference_in_capitals_or_padded_by_the_bank_is_ours(written: str):
    assert read(camt("camt.054", "M1", [entry(written, "7")]))[0][0].end_to_end_id == OURS
    lines, reader = read(pain002("M1", BATCH.upper(), [(written, "ACCP", "")]))
    assert (lines[0].end_to_end_id, reader.head.original_message_id) == (OURS, BATCH)


def test_a_reference_cut_short_is_not_ours():
    assert read(camt("camt.054", "M1", [entry(OURS[:16], "7")]))[0][0].end_to_end_id == OURS[:16]


@pytest.mark.parametrize("currency", ["khr", "KHRX", "K", "R13"])
def test_a_currency_that_is_none_makes_that_line_unreadable(currency: str):
    lines, _ = read(camt("camt.054", "M1", [entry("a", "7", currency=currency), entry("b", "7")]))
    assert [bool(line.problem) for line in lines] == [True, False]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2020-07-31T16:59:59Z", date(2020, 7, 31)),
        ("2020-07-31T17:00:00Z", date(2020, 8, 1)),
        ("2020-08-01T00:30:00+07:00", date(2020, 8, 1)),
        ("2020-07-31T23:59:59", date(2020, 7, 31)),
    ],
)
def test_a_booking_is_of_the_banks_own_day_by_whatever_clock_it_is_told(moment: str, day: date):
    body = camt("camt.054", "M1", [entry("a", "1")]).replace(b"<Dt>2020-07-28</Dt>", f"<DtTm>{moment}</DtTm>".encode())
    assert read(body)[0][0].on == day


@pytest.mark.parametrize("code", ["DUPL", "DU01", "DU02", "AM05"])
def test_every_code_for_a_file_that_came_before_confirms_the_batch(code: str):
    _, reader = read(group_rejection("M2", BATCH, code))
    assert (rejects_batch(reader.head), confirms_batch(reader.head)) == (False, True)


def test_a_reference_that_the_bank_has_had_before_is_accepted_not_refused():
    lines, _ = read(pain002("M1", BATCH, [("a", "RJCT", "DU04"), ("b", "RJCT", "AM05")]))
    assert [line.kind for line in lines] == ["accepted", "failed"]


@pytest.mark.parametrize("rows", [[], [("a", "RJCT", "AC04"), ("b", "RJCT", "")]])
def test_a_refusal_of_the_payment_block_refuses_the_batch(rows: list[tuple[str, str, str]]):
    told = f"<OrgnlPmtInfId>{BATCH}</OrgnlPmtInfId>"
    refused = f"{told}<PmtInfSts>RJCT</PmtInfSts><StsRsnInf><Rsn><Cd>AM04</Cd></Rsn></StsRsnInf>"
    body = pain002("M1", BATCH, rows, group="PART").replace(told.encode(), refused.encode())
    reader = StatementReader(body)
    reader.check()
    assert rejects_batch(reader.head)
    assert (reader.head.group_reason, len(list(reader.lines()))) == ("AM04", len(rows))
    other = StatementReader(body.replace(told.encode(), b"<OrgnlPmtInfId>OTHER</OrgnlPmtInfId>"))
    other.check()
    assert not rejects_batch(other.head)


def test_a_statement_without_a_closing_balance_is_of_the_day_it_was_made():
    body = camt("camt.053", "M1", []).replace(
        b"<Stmt><Id>M1</Id>",
        b"<Stmt><Id>M1</Id><LglSeqNb>14</LglSeqNb><CreDtTm>2020-07-28T18:00:00Z</CreDtTm>"
        b"<Acct><Id><Othr><Id>1</Id></Othr></Id><Ccy>KHR</Ccy></Acct>",
    )
    (statement,) = StatementReader(body).check()
    assert (statement.year, statement.number, statement.closed, statement.entries) == (2020, Decimal(14), None, 0)


@pytest.mark.parametrize("version", ["02", "04", "08"])
@pytest.mark.parametrize("kind", ["camt.053", "camt.054"])
def test_every_version_in_use_is_read_alike(kind: str, version: str):
    body = camt(kind, "M1", [entry("a", "7"), entry("b", "8", direction="CRDT", returned="AC04")])
    if version == "02":  # the status was plain text then
        body = body.replace(b"<Sts><Cd>BOOK</Cd></Sts>", b"<Sts>BOOK</Sts>")
    lines, _ = read(body.replace(f"{kind}.001.08".encode(), f"{kind}.001.{version}".encode()))
    assert [(line.kind, line.end_to_end_id, line.direction) for line in lines] == [
        ("settled", "a", "debit"),
        ("returned", "b", "credit"),
    ]
