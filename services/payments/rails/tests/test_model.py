"""A batch's life and the callback signature: pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.rails.http import classify
from services.payments.rails.model import BatchState, Step, message_id, next_step, state_after
from services.payments.rails.policy import RailPolicy
from services.payments.rails.port import Answer
from services.payments.rails.signature import TOLERANCE, genuine, sign

NOW = datetime(2020, 7, 27, 9, 0, tzinfo=UTC)
BODY = b'{"transactionReference":"T1"}'


def test_a_batch_that_may_have_left_is_queried_never_sent():
    assert next_step(BatchState.SUBMITTING) is Step.QUERY
    assert next_step(BatchState.UNKNOWN) is Step.QUERY
    assert next_step(BatchState.FORMED) is Step.SUBMIT


@pytest.mark.parametrize("state", [BatchState.SUBMITTED, BatchState.REJECTED, BatchState.COMPLETED])
def test_a_batch_with_an_answer_is_left_alone(state: BatchState):
    assert next_step(state) is Step.NOTHING


def test_every_answer_leads_to_a_state():
    assert {answer: state_after(answer) for answer in Answer} == {
        Answer.ACCEPTED: BatchState.SUBMITTED,
        Answer.REJECTED: BatchState.REJECTED,
        Answer.DEFERRED: BatchState.FORMED,
        Answer.UNKNOWN: BatchState.UNKNOWN,
        Answer.ABSENT: BatchState.FORMED,
    }


def test_a_message_id_fits_iso_20022():
    assert len(message_id(uuid4())) <= 35


@given(st.integers(min_value=0, max_value=10_000))
def test_pauses_between_calls_grow_to_a_limit(tries: int):
    policy = RailPolicy()
    assert timedelta(0) < policy.retry_delay(tries) <= timedelta(seconds=policy.longest_retry_seconds)
    assert policy.retry_delay(tries) <= policy.retry_delay(tries + 1)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (httpx.ConnectError("x"), Answer.DEFERRED),
        (httpx.ConnectTimeout("x"), Answer.DEFERRED),
        (httpx.ReadTimeout("x"), Answer.UNKNOWN),
        (httpx.WriteTimeout("x"), Answer.UNKNOWN),
        (httpx.RemoteProtocolError("x"), Answer.UNKNOWN),
        (httpx.ReadError("x"), Answer.UNKNOWN),
        (httpx.Response(202), Answer.ACCEPTED),
        (httpx.Response(400), Answer.REJECTED),
        (httpx.Response(401), Answer.DEFERRED),
        (httpx.Response(429), Answer.DEFERRED),
        (httpx.Response(500), Answer.UNKNOWN),
        (httpx.Response(503), Answer.UNKNOWN),
    ],
)
def test_only_what_certainly_did_not_leave_is_called_deferred(error: httpx.Response | httpx.HTTPError, answer: Answer):
    assert classify(error).answer is answer


def check(**changes: object) -> bool:
    sent_at = NOW.isoformat()
    values: dict[str, object] = {
        "secret": "s3cret",
        "sent_at": sent_at,
        "correlation_id": "c",
        "body": BODY,
        "signature": sign("s3cret", sent_at, "c", BODY),
        "now": NOW,
    }
    return genuine(**(values | changes))  # type: ignore[arg-type]


def test_a_signed_fresh_callback_is_genuine():
    assert check()
    assert check(now=NOW + TOLERANCE)


@pytest.mark.parametrize(
    "changes",
    [
        {"body": BODY + b" "},
        {"correlation_id": "d"},
        {"secret": "other"},
        {"signature": ""},
        {"signature": "é"},
        {"sent_at": (NOW + timedelta(seconds=1)).isoformat()},
        {"now": NOW + TOLERANCE + timedelta(seconds=1)},
        {"now": NOW - TOLERANCE - timedelta(seconds=1)},
    ],
)
def test_a_forged_altered_or_stale_callback_is_not(changes: dict[str, object]):
    assert not check(**changes)


def test_a_signature_over_nonsense_time_is_not_genuine():
    assert not check(sent_at="yesterday", signature=sign("s3cret", "yesterday", "c", BODY))
    assert not check(sent_at="2020-07-27T09:00:00", signature=sign("s3cret", "2020-07-27T09:00:00", "c", BODY))
