"""Traces through HTTP, outbox and consumer; probes; what the operator counts."""

from sqlalchemy import select

from shared.ids import uuid7
from shared.tables import outbox_table
from shared.tests.probe import service as probe_service
from shared.tests.probe.service import dissolved

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


async def test_a_trace_goes_from_the_request_into_the_outbox(probe):
    headers = probe.token("clerk") | {"traceparent": PARENT}
    assert (await probe.http.post("/probe/v1/things", json={"name": "a"}, headers=headers)).status_code == 201
    async with probe.database.session() as session:
        carried = await session.scalar(select(outbox_table.c.traceparent))
    assert carried.split("-")[1] == TRACE
    assert carried != PARENT, "the event belongs to the request's own span, not to its caller's"


async def test_a_trace_goes_from_the_event_into_its_handler(probe):
    probe_service.TRACES.clear()
    await probe.apply([probe.delivery(dissolved(uuid7()), traceparent=PARENT)])
    assert [trace.split("-")[1] for trace in probe_service.TRACES] == [TRACE]


async def test_a_batch_of_many_traces_is_a_trace_of_its_own(probe):
    probe_service.TRACES.clear()
    other = PARENT.replace("0af7", "1bf7")
    await probe.apply([probe.delivery(dissolved(uuid7()), traceparent=parent) for parent in (PARENT, other)])
    assert probe_service.TRACES[0].split("-")[1] not in {TRACE, other.split("-")[1]}


async def test_probes_and_metrics_need_no_token(probe):
    for path in ("/health", "/ready"):
        assert (await probe.http.get(path)).status_code == 200
    await probe.http.get("/probe/v1/things", headers=probe.token("clerk"))
    metrics = (await probe.http.get("/metrics")).text
    assert 'samaki_http_requests_total{method="GET",route="/probe/v1/things",status="200"}' in metrics


async def test_not_ready_while_the_database_is_away(probe, monkeypatch):
    async def away() -> None:
        raise ConnectionRefusedError("no database")

    monkeypatch.setattr(probe.database, "ping", away)
    assert (await probe.http.get("/ready")).status_code == 503
    assert (await probe.http.get("/health")).status_code == 200


async def test_an_auditor_sees_what_was_published_consumed_and_parked(probe):
    await probe.http.post("/probe/v1/things", json={"name": "a"}, headers=probe.token("clerk"))
    await probe.deliver(dissolved(uuid7()), dissolved(uuid7(), cause="merged"), allow_parked=True)
    counts = (await probe.http.get("/probe/v1/ops/events", headers=probe.token("auditor"))).json()
    assert counts == {"published": {}, "consumed": {"registry.households": 2}, "outbox": 1, "parked": 1}
    assert (await probe.http.get("/probe/v1/ops/events", headers=probe.token("clerk"))).status_code == 403
