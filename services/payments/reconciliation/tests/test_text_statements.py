"""MT940 and CSV statements: read exactly, safely, with their gaps and sums."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.reconciliation.csv_statement import CsvReader
from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.model import Line, Scheme
from services.payments.reconciliation.mt940 import Mt940Reader

MT940 = b"""{1:F01NATBKHPPAXXX0000000000}{4:
:20:STARTUMS
:25:NATBKHPP/0001
:28C:14/1
:60F:C200727KHR1000000,
:61:2007280728D80000,00NTRFref-one//B1
:86:166?00CREDIT TRANSFER?31000123456
:61:2007280728D75000,NTRFNONREF//B2
:86:/EREF/ref-two/
:61:2007280728C80000,NTRFref-three//B3
:86:/RTRN/AC04/
:61:2007280728C5000,NTRFNONREF//B4
:86:a gift
:62F:C200728KHR930000,
-}
"""
CSV = b"""booking_date,amount,currency,direction,reference,entry,return_code,payee_account,remark
2020-07-28,80000,KHR,debit,ref-one,B1,,000123456,"to, whom"
2020-07-28,80000.50,USD,credit,ref-two,B2,AC04,,
"""


def mt940(body: bytes = MT940) -> tuple[list[Line], Mt940Reader]:
    reader = Mt940Reader(body, "ab" * 32)
    reader.check()
    return list(reader.lines()), reader


def test_an_mt940_statement_is_read_entry_by_entry():
    lines, reader = mt940()
    assert [(one.kind, one.end_to_end_id, one.amount, one.entry) for one in lines] == [
        ("settled", "ref-one", Decimal(80000), "B1"),
        ("settled", "ref-two", Decimal(75000), "B2"),
        ("returned", "ref-three", Decimal(80000), "B3"),
        (None, "", Decimal(5000), "B4"),
    ]
    assert {one.on for one in lines} == {date(2020, 7, 28)}
    assert [one.direction for one in lines] == ["debit", "debit", "credit", "credit"]
    assert (lines[0].payee_scheme, lines[0].payee_number, lines[2].reason_code) == (Scheme.OTHER, "000123456", "AC04")
    assert reader.head.message_id.startswith("STARTUMS/abab")


def test_an_mt940_statement_tells_its_place_and_whether_it_adds_up():
    (statement,) = Mt940Reader(MT940).check()
    assert (statement.number, statement.year, statement.entries) == (Decimal(14), 2020, 4)
    assert (statement.opened, statement.closed) == (Decimal(1000000), Decimal(930000))
    assert statement.adds_up
    (wrong,) = Mt940Reader(MT940.replace(b"930000", b"930001")).check()
    assert not wrong.adds_up


def test_two_statements_in_one_mt940_file_are_two():
    both = MT940 + MT940.replace(b":28C:14/1", b":28C:15/1")
    assert [one.number for one in Mt940Reader(both).check()] == [14, 15]
    assert len(mt940(both)[0]) == 8


@pytest.mark.parametrize(
    ("change", "problem"),
    [((b":62F:C200728KHR930000,", b""), StatementMalformed), ((b":20:STARTUMS\n", b""), StatementUnknownKind)],
)
def test_an_mt940_file_that_is_not_whole_is_refused(change: tuple[bytes, bytes], problem: type[Exception]):
    with pytest.raises(problem):
        Mt940Reader(MT940.replace(*change)).check()


def test_one_bad_mt940_entry_is_unreadable_and_the_others_are_read():
    lines, _ = mt940(MT940.replace(b"D80000,00NTRF", b"DeightyNTRF"))
    assert [bool(one.problem) for one in lines] == [True, False, False, False]


def test_a_csv_statement_is_read_row_by_row():
    reader = CsvReader(CSV, "ab" * 32)
    assert reader.check() == ()
    first, second = reader.lines()
    assert (first.kind, first.end_to_end_id, first.amount, first.currency) == ("settled", "ref-one", 80000, "KHR")
    assert (second.kind, second.amount, second.reason_code) == ("returned", Decimal("80000.50"), "AC04")
    assert first.payee_number == "000123456"


@pytest.mark.parametrize(
    "cell", [("2020-07-28,80000", "28.07.2020,80000"), ("80000,KHR", "1e4,KHR"), ("KHR", "riel"), ("debit", "out")]
)
def test_one_bad_csv_row_is_unreadable_and_the_others_are_read(cell: tuple[str, str]):
    lines = list(CsvReader(CSV.replace(cell[0].encode(), cell[1].encode(), 1), "").lines())
    assert [bool(one.problem) for one in lines] == [True, False]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", StatementUnknownKind),
        (b"a,b\n1,2\n", StatementUnknownKind),
        (CSV + b'2020-07-28,"80', StatementMalformed),
        (CSV + b"\xff\xfe", StatementMalformed),
        (CSV + b"a\x00b\n", StatementMalformed),
        (CSV + b"x" * 20_000, StatementMalformed),
    ],
)
def test_a_csv_file_that_cannot_be_read_is_refused(body: bytes, problem: type[Exception]):
    with pytest.raises(problem):
        CsvReader(body, "").check()


@given(st.binary(max_size=300))
def test_any_bytes_give_a_problem_or_lines_never_a_crash(body: bytes):
    for reader in (Mt940Reader(body), CsvReader(body, ""), Mt940Reader(MT940[:200] + body + MT940[200:])):
        try:
            reader.check()
            list(reader.lines())
        except (StatementMalformed, StatementUnknownKind):
            continue
