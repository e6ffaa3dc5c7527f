"""One transaction a request, idempotency, problems, pages, versions."""

import asyncio
import base64

import httpx
import pytest
from sqlalchemy import func, select

from shared.tables import idempotency_key
from shared.tests.probe.service import SERVICE, thing


async def things(probe) -> int:
    async with probe.database.session() as session:
        return await session.scalar(select(func.count()).select_from(thing))


async def post(probe, name, **headers) -> httpx.Response:
    return await probe.http.post("/probe/v1/things", json={"name": name}, headers=probe.token("clerk") | headers)


async def test_a_failing_commit_is_never_a_success(probe):
    """Law 3: FastAPI's yield dependencies commit after the answer; ours before."""
    async with probe.commits_fail():
        answer = await post(probe, "well")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert await things(probe) == 0
    assert await probe.outbox() == []


async def test_what_an_endpoint_wrote_before_its_problem_is_undone(probe):
    answer = await post(probe, "refuse")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await things(probe) == 0


async def test_state_and_event_commit_together(probe):
    answer = await post(probe, "well")
    assert answer.status_code == 201
    events = await probe.outbox()
    assert [str(event.household_id) for event in events] == [answer.json()["id"]]


async def test_the_same_key_and_body_gives_the_first_answer_again(probe):
    """Fault 2: a repeated request doubled people."""
    first = await post(probe, "well", **{"Idempotency-Key": "k1"})
    second = await post(probe, "well", **{"Idempotency-Key": "k1"})
    assert (second.status_code, second.json(), second.headers["etag"]) == (201, first.json(), first.headers["etag"])
    assert second.headers["idempotent-replayed"] == "true"
    assert await things(probe) == 1
    assert len(await probe.outbox()) == 1


async def test_the_same_key_with_another_body_is_refused(probe):
    await post(probe, "well", **{"Idempotency-Key": "k1"})
    answer = await post(probe, "ill", **{"Idempotency-Key": "k1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    assert await things(probe) == 1


async def test_a_key_belongs_to_its_caller(probe):
    await post(probe, "well", **{"Idempotency-Key": "k1"})
    other = probe.token("clerk", subject="officer-2") | {"Idempotency-Key": "k1"}
    answer = await probe.http.post("/probe/v1/things", json={"name": "ill"}, headers=other)
    assert answer.status_code == 201


async def test_a_refused_request_may_be_repeated_under_its_key(probe):
    assert (await post(probe, "refuse", **{"Idempotency-Key": "k1"})).status_code == 409
    assert (await post(probe, "well", **{"Idempotency-Key": "k1"})).status_code == 201


async def test_the_same_key_at_the_same_moment_acts_once(probe):
    answers = await asyncio.gather(*(post(probe, "well", **{"Idempotency-Key": "k1"}) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await things(probe) == 1


async def test_a_name_taken_is_a_conflict_not_a_server_error(probe):
    answers = await asyncio.gather(*(post(probe, "well") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_bad_input_names_the_field_and_does_not_repeat_the_value(probe):
    answer = await post(probe, "x" * 41)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "name"
    assert "xxxx" not in answer.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"name": "a\\u0000b"}', "name"),
        (b'{"name": "a\\ud800b"}', "name"),
        (b'{"name": "well", "notes": [{"text": ["", "\\u0000"]}]}', "notes[0].text[1]"),
        (b'{"name": "well", "other": {"\\u0000": 1}}', "other"),
        ('{"name": "a\\u0000b"}'.encode("utf-16"), "name"),
    ],
)
async def test_a_text_that_no_database_keeps_is_refused_and_its_field_named(probe, body, field):
    headers = probe.token("clerk") | {"content-type": "application/json", "Idempotency-Key": "k1"}
    answer = await probe.http.post("/probe/v1/things", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, "text_not_storable")]
    assert await things(probe) == 0


async def test_a_nul_in_the_address_is_refused_like_one_in_the_body(probe):
    answer = await probe.http.get("/probe/v1/things?cursor=a%00", headers=probe.token("clerk"))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


async def test_a_text_that_only_looks_like_an_unstorable_one_is_kept_as_it_is(probe):
    body = b'{"name": "\\\\u0000 and \\ud83d\\ude00"}'
    headers = probe.token("clerk") | {"content-type": "application/json"}
    answer = await probe.http.post("/probe/v1/things", content=body, headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (201, "\\u0000 and \U0001f600")


async def test_broken_json_is_a_bad_request(probe):
    headers = probe.token("clerk") | {"content-type": "application/json"}
    answer = await probe.http.post("/probe/v1/things", content=b'{"name":', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_an_unknown_path_is_a_problem_too(probe):
    answer = await probe.http.get("/probe/v1/nothing", headers=probe.token("clerk"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_fault_of_ours_says_nothing_of_its_inside(probe):
    answer = await probe.http.get("/probe/v1/broken", headers=probe.token("clerk"))
    assert answer.status_code == 500
    assert "123456789" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_pages_show_each_thing_once(probe):
    for number in range(7):
        await post(probe, f"thing {number}")
    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await probe.http.get("/probe/v1/things", params=params, headers=probe.token("clerk"))).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"thing {number}" for number in range(7)]


async def test_a_foreign_cursor_is_refused(probe):
    answer = await probe.http.get("/probe/v1/things", params={"cursor": "!!"}, headers=probe.token("clerk"))
    assert answer.status_code == 400


async def test_changing_an_old_version_is_refused(probe):
    made = (await post(probe, "well")).json()
    path, token = f"/probe/v1/things/{made['id']}", probe.token("clerk")
    assert (await probe.http.put(path, json={"name": "b"}, headers=token)).status_code == 428
    assert (await probe.http.put(path, json={"name": "b"}, headers=token | {"If-Match": '"1"'})).status_code == 200
    stale = await probe.http.put(path, json={"name": "c"}, headers=token | {"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["current_version"]) == (412, 2)


async def test_two_changes_at_once_lose_none(probe):
    made = (await post(probe, "well")).json()
    path, headers = f"/probe/v1/things/{made['id']}", probe.token("clerk") | {"If-Match": '"1"'}
    answers = await asyncio.gather(*(probe.http.put(path, json={"name": f"n{i}"}, headers=headers) for i in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5


async def test_a_key_with_a_body_of_unknown_length_is_refused_before_it_is_read(probe):
    """The key remembers the hash of the whole body: a body without an end would fill the memory."""

    async def endless():
        yield b'{"name": "well"}'

    headers = probe.token("clerk") | {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    answer = await probe.http.post("/probe/v1/things", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "idempotency_key_needs_small_body")
    assert await things(probe) == 0


async def test_a_stored_answer_is_not_readable_in_the_database(make_service):
    """An answer may hold what is shown once, such as a receipt code."""
    key = base64.b64encode(bytes(32)).decode()
    probe = await make_service(SERVICE, encryption_key=key)
    first = await post(probe, "a secret name", **{"Idempotency-Key": "k1"})
    async with probe.database.session() as session:
        stored = await session.scalar(select(idempotency_key.c.body))
    assert b"secret" not in bytes(stored)
    assert (await post(probe, "a secret name", **{"Idempotency-Key": "k1"})).json() == first.json()
