"""Reading what an operator says: exactly, line by line, and without being harmed by it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from services.payments.reconciliation.gsma import GsmaReader, kind_of
from services.payments.reconciliation.model import Scheme, rejects_batch

CORRELATION = "0198a1f0-0000-7000-8000-000000000001"


def gsma(document: object, kind: str = "") -> GsmaReader:
    return GsmaReader(orjson.dumps(document), kind, "ref", CORRELATION)


def completion(**changes: object) -> dict[str, object]:
    return {
        "transactionReference": "T1",
        "requestingOrganisationTransactionReference": "a",
        "creditParty": [{"key": "msisdn", "value": "85512000001"}],
        "debitParty": [{"key": "accountid", "value": "samaki"}],
        "completionDate": "2020-07-27T10:00:00+07:00",
        "link": "/transactions/T1",
        "customData": [{"key": "amount", "value": "80000"}, {"key": "currency", "value": "KHR"}],
        **changes,
    }


def test_completions_settle_with_the_amount_the_operator_echoes():
    (line,) = gsma([completion()], "completions").lines()
    assert (line.kind, line.amount, line.currency, line.entry) == ("settled", Decimal(80000), "KHR", "T1")
    assert line.payee_scheme is Scheme.MSISDN
    (bare,) = gsma([completion(customData=[])], "completions").lines()
    assert bare.amount is None


def test_rejections_fail_with_a_harmonised_code_and_no_free_text():
    row = {"requestingOrganisationTransactionReference": "a", "rejectionDate": "2020-07-27T10:00:00Z"}
    known, free = gsma(
        [row | {"rejectionReason": "identifierError"}, row | {"rejectionReason": "Sok Dara has no wallet"}],
        "rejections",
    ).lines()
    assert (known.kind, known.reason_code) == ("failed", "identifierError")
    assert free.reason_code == "genericError"


def test_a_transaction_callback_is_read_by_its_status():
    base = completion(amount="80000", currency="KHR")
    statuses = {"completed": "settled", "failed": "failed", "pending": "accepted", "strange": None}
    for status, kind in statuses.items():
        (line,) = gsma(base | {"transactionStatus": status}).lines()
        assert line.kind == kind


def test_an_error_callback_refuses_the_batch_it_names():
    reader = gsma({"errorCategory": "businessRule", "errorCode": "insufficientFunds"})
    assert list(reader.lines()) == []
    assert rejects_batch(reader.head)
    assert reader.head.original_message_id == "SMK" + CORRELATION.replace("-", "")


def test_a_batch_callback_is_only_news():
    assert kind_of(orjson.dumps({"batchId": "B1", "batchStatus": "completed"})) == "batch"
    assert kind_of(orjson.dumps(completion())) == "transaction"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'{"x":1}', b"\xff"])
def test_nonsense_callbacks_are_refused(body: bytes):
    with pytest.raises((StatementMalformed, StatementUnknownKind)):
        kind_of(body)


@pytest.mark.parametrize(
    "change",
    [
        {"completionDate": "soon"},
        {"completionDate": None},
        *({"amount": amount} for amount in ("many", "1e3", "1_000", " 5", "-5", "+5", "NaN", "1.000001", "٥")),
        {"currency": "khr", "amount": "5"},
        {"currency": "KHRX", "amount": "5"},
    ],
)
def test_a_broken_line_of_an_operator_is_unreadable_and_no_other(change: dict[str, object]):
    reader = gsma([completion(**change), completion()], "completions")
    assert reader.check() == ()
    assert [bool(line.problem) for line in reader.lines()] == [True, False]


@pytest.mark.parametrize("rows", [[1], "x", [None], {"a": 1}, [[]]])
def test_pages_that_are_no_lists_of_objects_are_refused(rows: object):
    with pytest.raises(StatementMalformed):
        gsma(rows, "completions").check()


@given(
    st.dictionaries(
        st.sampled_from(["customData", "creditParty", "amount", "currency", "completionDate", "transactionReference"]),
        st.recursive(
            st.none() | st.integers(-(2**60), 2**60) | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)
        ),
    )
)
def test_any_fields_of_an_operator_give_a_line_or_a_problem_never_a_crash(fields: dict[str, object]):
    (line,) = gsma([completion(**fields)], "completions").lines()
    assert line.problem or line.kind == "settled"


@pytest.mark.parametrize(
    ("moment", "day"), [("2020-07-31T16:59:59Z", 31), ("2020-07-31T17:00:00Z", 1), ("2020-08-01T00:30:00+07:00", 1)]
)
def test_what_was_completed_after_midnight_is_of_the_next_day_whatever_utc_says(moment: str, day: int):
    (line,) = gsma([completion(completionDate=moment)], "completions").lines()
    assert line.on == date(2020, 7 if day == 31 else 8, day)
