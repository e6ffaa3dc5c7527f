"""A household file as a whole: what is refused outright, leaving nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from starlette.requests import ClientDisconnect

from services.registry.imports.endpoints import whole_body
from services.registry.imports.errors import BodyCutShort
from services.registry.imports.receive_import import receive_import
from services.registry.imports.rules import COLUMNS
from services.registry.tests.building import Registry, file_of, person
from shared.auth import Principal
from shared.ids import uuid7
from shared.worker import Worker

URL = "/registry/v1/household-imports"
STAGING = ("import_row", "import_rejection", "household_import", "import_household", "job")


async def nothing_kept(registry: Registry) -> bool:
    return [await registry.count(table) for table in STAGING] == [0] * len(STAGING)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_file"),
        (",".join(COLUMNS).encode(), "empty_file"),
        (b"\n\n", "wrong_header"),
        (file_of(person()).replace("card_number", "card_no").encode(), "wrong_header"),
        (file_of(person()).replace("phone", "sex", 1).encode(), "wrong_header"),
        (file_of(person()).split("\n", 1)[1].encode(), "wrong_header"),
        (file_of(person()).encode("utf-16"), "not_utf8"),
        (file_of(person()).encode() + b"\xff\xfe\n", "not_utf8"),
        (file_of(person()).encode() + b"x" * 20_000, "line_too_long"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_and_leaves_nothing(
    registry: Registry, body: bytes, code: str
) -> None:
    headers = {**registry.officer(), "Content-Type": "text/csv"}
    answer = await registry.http.post(URL, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert await nothing_kept(registry)


async def test_the_line_that_is_not_utf8_is_named(registry: Registry) -> None:
    body = file_of(person(), person(person_ref="2")).encode() + b"\xff\n"
    answer = await registry.http.post(URL, content=body, headers={**registry.officer(), "Content-Type": "text/csv"})
    assert answer.json()["line"] == 4


async def test_a_file_without_its_header_does_not_echo_the_people_in_its_first_line(registry: Registry) -> None:
    body = file_of(person(national_id="123456789")).split("\n", 1)[1]
    answer = await registry.http.post(URL, content=body, headers={**registry.officer(), "Content-Type": "text/csv"})
    assert "123456789" not in answer.text
    assert "Sok" not in answer.text


async def test_only_plain_csv_of_a_bounded_size_is_taken(registry: Registry) -> None:
    async def status(**headers: str) -> tuple[int, str]:
        answer = await registry.http.post(URL, content=b"x", headers={**registry.officer(), **headers})
        return answer.status_code, answer.json()["code"]

    assert await status(**{"Content-Type": "application/json"}) == (415, "unsupported_body")
    assert await status(**{"Content-Type": "text/csv", "Content-Encoding": "gzip"}) == (415, "unsupported_body")
    announced = {"Content-Type": "text/csv", "Content-Length": str(10 << 30)}
    assert await status(**announced) == (413, "file_too_large")
    keyed = {"Content-Type": "text/csv", "Content-Length": str(9 << 20), "Idempotency-Key": "k"}
    assert await status(**keyed) == (413, "idempotency_key_needs_small_body")
    assert await nothing_kept(registry)


async def test_a_client_that_hangs_up_after_half_a_file_leaves_nothing(registry: Registry) -> None:
    context = registry.service.context
    whole = file_of(*(person(f"H{n}") for n in range(12_000))).encode()

    class Request:
        async def stream(self) -> AsyncIterator[bytes]:
            yield whole[: len(whole) // 2]
            yield whole[len(whole) // 2 : -500]
            raise ClientDisconnect

    officer = Principal("officer-1", frozenset({"commune_officer"}), ("*",))
    with pytest.raises(BodyCutShort):
        async with context.database.session() as session:
            await receive_import(session, context, officer, whole_body(Request(), ""), dry_run=False)  # type: ignore[arg-type]
    assert await nothing_kept(registry)


async def test_fewer_bytes_than_announced_are_a_file_cut_short(registry: Registry) -> None:
    class Request:
        async def stream(self) -> AsyncIterator[bytes]:
            yield b"short"

    with pytest.raises(BodyCutShort, match="10 bytes were announced, 5 came"):
        [chunk async for chunk in whole_body(Request(), "10")]  # type: ignore[arg-type]


async def test_rows_of_an_upload_whose_process_died_are_cleaned_away(registry: Registry) -> None:
    batch = uuid7()
    async with registry.service.database.session() as session:
        await session.execute(
            text("INSERT INTO import_row (batch_id, line, seq, run) VALUES (:batch, 2, 1, 1)"), {"batch": batch}
        )
        await session.execute(
            text("INSERT INTO import_rejection (batch_id, line, field, code) VALUES (:batch, 2, 'line', 'required')"),
            {"batch": batch},
        )
    # Ids carry the machine's time; the service's clock stands long before it, and then after.
    await Worker(registry.service.context).run_due_schedules()
    assert await registry.count("import_row") == 1
    registry.service.clock.advance(timedelta(days=365 * 200))
    await Worker(registry.service.context).run_due_schedules()
    assert (await registry.count("import_row"), await registry.count("import_rejection")) == (0, 0)


async def test_a_failing_commit_is_never_answered_with_202(registry: Registry) -> None:
    async with registry.service.commits_fail():
        answer = await registry.http.post(
            URL, content=file_of(person()).encode(), headers={**registry.officer(), "Content-Type": "text/csv"}
        )
    assert answer.status_code >= 500
    assert await registry.count("household_import") == 0
    assert await registry.count("job") == 0


async def test_columns_may_come_in_any_order_with_a_bom_quotes_and_windows_line_ends(registry: Registry) -> None:
    line = person(name_en="Sok, Dara")
    names = list(reversed(COLUMNS))
    cells = [f'"{line[name]}"' if name == "name_en" else line[name] for name in names]
    body = b"\xef\xbb\xbf" + (",".join(names) + "\r\n" + ",".join(cells) + "\r\n\r\n").encode()
    done = await registry.send(body)
    assert (done["rows"], done["registered"]) == (1, 1)
    assert (await registry.rows("SELECT name_en FROM person"))[0].name_en == "Sok, Dara"


async def test_others_do_not_see_an_import_of_another_area(registry: Registry) -> None:
    done = await registry.send(file_of(person()), areas=["0102"])
    url = f"{URL}/{done['import_id']}"
    for areas, subject, expected in ((["0102"], "other", 200), (["12"], "other", 404), (["12"], "officer-1", 200)):
        headers = registry.officer(areas=areas, subject=subject)
        for path in (url, f"{url}/rejections", f"{url}/rejections.csv"):
            assert (await registry.http.get(path, headers=headers)).status_code == expected, (areas, subject, path)
