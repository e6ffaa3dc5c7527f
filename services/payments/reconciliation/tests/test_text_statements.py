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


# --- what real banks write ------------------------------------------------------------------------------------------

OURS = "0123456789abcdef0123456789abcdef"


def entries(*fields: str, opened: str = "1000000,", closed: str = "1000000,") -> bytes:
    body = "\n".join(fields)
    return (
        f":20:S\n:25:NATBKHPP/0001\n:28C:14/1\n:60F:C200727KHR{opened}\n{body}\n:62F:C200728KHR{closed}\n-\n".encode()
    )


def test_line_ends_of_windows_a_mark_of_byte_order_and_letters_of_older_systems_change_nothing():
    odd = b"\xef\xbb\xbf" + MT940.split(b"\n", 1)[1].replace(b"CREDIT TRANSFER", "\u00dcBERWEISUNG".encode("latin-1"))
    assert [line._replace(number=0) for line in mt940(odd.replace(b"\n", b"\r\n"))[0]] == [
        line._replace(number=0) for line in mt940()[0]
    ]


def test_available_balances_and_remarks_after_the_closing_balance_are_no_fault():
    tail = b":64:C200728KHR900000,\n:65:C200729KHR900000,\n:86:no more today\n-}\n"
    reader = Mt940Reader(MT940.replace(b"-}\n", tail))
    (statement,) = reader.check()
    assert (statement.closed, len(list(reader.lines()))) == (Decimal(930000), 4)
    with pytest.raises(StatementUnknownKind):
        Mt940Reader(b":64:C200728KHR1,\n" + MT940).check()


@pytest.mark.parametrize(
    "details",
    [
        f":86:166?00TRANSFER?20EREF+{OURS[:22]}?21{OURS[22:]}?22KREF+X1?30ACLBKHPP?31000123456",
        f":86:166?00TRANSFER?20EREF+{OURS}CRED+DE98?31000123456",
        f":86:/EREF/{OURS.upper()}/REMI/wages of\n-July/CACC/000123456",
        f":86:EREF: {OURS}   more\n/CACC/000123456",
    ],
)
def test_a_reference_cut_into_subfields_in_capitals_or_followed_by_the_next_word_is_read_whole(details: str):
    (line,) = mt940(entries(":61:2007280728D80000,NTRFNONREF//B1", *details.split("\n")))[0]
    assert (line.kind, line.end_to_end_id, line.payee_number) == ("settled", OURS, "000123456")


def test_a_sum_over_a_batch_is_named_by_the_batch():
    lines, _ = mt940(entries(":61:2007280728D160001,NTRFNONREF//B1", f":86:?20KREF+SMK{OURS.upper()}?31X"))
    assert (lines[0].kind, lines[0].end_to_end_id) == ("settled", f"SMK{OURS}")


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ("2002280229", date(2020, 2, 29)),
        ("2002290229", date(2020, 2, 29)),
        ("2012310101", date(2021, 1, 1)),
        ("2101011231", date(2020, 12, 31)),
        ("201231", date(2020, 12, 31)),
    ],
)
def test_a_booking_of_the_leap_day_or_at_the_turn_of_the_year_has_its_own_day(dates: str, day: date):
    (line,) = mt940(entries(f":61:{dates}D80000,NTRFref-one//B1"))[0]
    assert (line.problem, line.on) == ("", day)


def test_a_day_that_no_year_has_makes_the_entry_unreadable():
    near, never = mt940(entries(*(f":61:210728{day}D80000,NTRFref-one//B1" for day in ("0229", "0230"))))[0]
    assert (near.on, bool(never.problem)) == (date(2020, 2, 29), True)


def test_a_debit_taken_back_is_a_return_and_a_credit_taken_back_is_money_that_left():
    back, gone = mt940(entries(f":61:200728RD80000,NTRF{OURS[:16]}//B1", ":61:200728RC5000,NTRFref-two//B2"))[0]
    assert (back.kind, back.direction) == ("returned", "credit")
    assert (gone.kind, gone.direction, gone.end_to_end_id) == ("settled", "debit", "")


def test_the_pages_of_one_statement_are_one_statement():
    first = b":20:S\n:25:A\n:28C:14/1\n:60F:C200727KHR1000,\n:61:200728D100,NTRFr1//B1\n:62M:C200728KHR900,\n-\n"
    second = b":20:S\n:25:A\n:28C:14/2\n:60M:C200728KHR900,\n:61:200728D200,NTRFr2//B2\n:62F:C200728KHR700,\n-\n"
    reader = Mt940Reader(first + second)
    (statement,) = reader.check()
    assert (statement.opened, statement.closed, statement.entries) == (Decimal(1000), Decimal(700), 2)
    assert statement.adds_up
    assert [line.number for line in reader.lines()] == [0, 1]
    (alone,) = Mt940Reader(second).check()
    assert (alone.opened, alone.closed, alone.adds_up) == (None, Decimal(700), True)
    assert [one.number for one in Mt940Reader(first + second.replace(b"14/2", b"15/1")).check()] == [14, 15]


def test_a_spreadsheets_csv_is_read_as_it_is_saved():
    body = (
        "\ufeffentry;Booking_Date;amount;currency;direction;reference;remark\r\n"
        f'B1;2020-07-28;80000;KHR;debit; {OURS.upper()} ;"two\r\nlines; and a semicolon"\r\n'
        ";;;;;;\r\n"
        'B2;2020-07-28;=1+1;KHR;debit;=HYPERLINK("x");\r\n'
    )
    reader = CsvReader(body.encode(), "")
    reader.check()
    first, second = reader.lines()
    assert (first.kind, first.end_to_end_id, first.entry) == ("settled", OURS, "B1")
    assert (second.problem != "", second.end_to_end_id) == (True, "")


def test_a_row_with_a_cell_too_many_is_unreadable_rather_than_shifted():
    body = b"currency,direction,booking_date,amount\nKHR,debit,2020-07-28,80,000\nKHR,debit,2020-07-28,7,\n"
    first, second = CsvReader(body, "").lines()
    assert "more cells" in first.problem
    assert (second.problem, second.amount) == ("", Decimal(7))


def test_a_column_named_twice_is_refused():
    with pytest.raises(StatementMalformed):
        CsvReader(CSV.replace(b"remark", b"amount"), "").check()


@pytest.mark.parametrize("day", ["20200728", "2020-W31-2", "2020-02-30", "2020-7-28"])
def test_a_day_in_another_form_is_unreadable(day: str):
    lines = list(CsvReader(CSV.replace(b"2020-07-28", day.encode(), 1), "").lines())
    assert [bool(one.problem) for one in lines] == [True, False]
