"""The sanctions list: names found however they are spelled, people who decide on hits, and nobody paid unseen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from services.payments.sanctions.matching import Bars, Entry, Index, Match
from services.payments.sanctions.names import taken_apart
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Grant, Office, account_csv
from shared.testing.plugin import MakeService

BARS = Bars(name=0.88, birth_agrees=0.80, birth_differs=0.97, birth_years=1)


def hits(listed: str, person: str, born: str = "", listed_born: str = "") -> list[Match]:
    index = Index([Entry(b"1", "UN-1", taken_apart(listed), listed_born)])
    return index.matches(person, born, BARS)


@pytest.mark.parametrize(
    ("listed", "person"),
    [
        ("Sok Dara", "DARA, Sok"),
        ("Sok Dara", "Mr. Sok Dàra"),
        ("Sok Dara", "Sokdara"),
        ("Sok Dara", "សុខ ដារា"),
        ("Sok Dara", "លោក សុខដារា"),
        ("សុខ ដារា", "Lok Dara Sokh"),
        ("ចាន់ ធីតា", "Chan Thida"),
        ("Samnang Pich", "ពេជ្រ សំណាង"),
        ("Osama bin Mohammed Awad", "Usama bin Muhammad bin Awad"),
        ("Osama bin Mohammed Awad", "Osama Awad"),
        ("Sok San", "Sann Sok"),
    ],
)
def test_a_listed_person_is_found_in_either_script_in_any_order_and_with_titles(listed: str, person: str) -> None:
    (match,) = hits(listed, person)
    assert match.score >= BARS.name
    assert match.reasons[1] == "birth_unknown"


@pytest.mark.parametrize(
    ("listed", "person"),
    [
        ("Sok Dara", "Keo Dara"),
        ("Sok Dara", "Sok Bora"),
        ("Kim Jong Il", "Kim Jong Un"),
        ("Sok Dara", "Sok Thearith"),
        ("Heng Samrin", "Sum Samrin"),
        ("ចាន់ ធីតា", "ចាន់ បូរ៉ា"),
        ("Sok", "Sok Dara"),
    ],
)
def test_who_shares_only_a_part_of_the_name_is_not_held(listed: str, person: str) -> None:
    assert hits(listed, person) == []


def test_the_date_of_birth_moves_the_bar() -> None:
    spelled = ("Sok Dara", "Sok Dala")
    assert hits(*spelled) == []
    assert hits(*spelled, born="1970-05-01", listed_born="1971")[0].reasons == ("similar_name", "birth_agrees")
    assert hits("Chan Thida", "Chan Tida", born="1990-01-01")
    assert hits("Chan Thida", "Chan Tidha", born="1990-01-01", listed_born="1950-03-03") == []
    (same,) = hits("Chan Thida", "Chan Thida", born="1990-01-01", listed_born="1950-03-03")
    assert same.reasons == ("same_name", "birth_differs")


@given(
    st.lists(
        st.text(st.sampled_from("abcdefghiklmnoprstuvwកខគចដតនបពមរលវសហាិុេ"), min_size=1, max_size=8),
        min_size=1,
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_name_finds_itself_in_any_order_of_its_words(words: list[str], chance: Any) -> None:
    shuffled = list(words)
    chance.shuffle(shuffled)
    (match,) = hits(" ".join(words), " ".join(shuffled).upper())
    assert match.score >= 0.999


NAMES = ("Prum Visal", "Keo Sophea", "Chan Thida")


async def arrange(make_service: MakeService, period: str = "2020-07") -> tuple[Office, Cycle]:
    """Three payees with names of their own, and a list that names the first, spelled otherwise."""
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle([Grant(uuid4(), amount=Decimal(100_000 + n)) for n in range(3)], period=period)
    await office.service.deliver(*cycle.enrolments(), *cycle.entitlements(), cycle.closed())
    await office.import_accounts(named([grant.beneficiary_id for grant in cycle.granted]))
    await office.open_fund()
    return office, cycle


def named(people: list[Any], names: tuple[str, ...] = NAMES, born: str = "") -> str:
    csv = account_csv(people)
    for index, name in enumerate(names):
        csv = csv.replace(f"Sok Dara {index},any", f"{name},any{',' + born if born else ''}")
    return csv.replace("purpose\n", "purpose,holder_birth_date\n") if born else csv


async def load(office: Office, csv: str) -> dict[str, Any]:
    """Load a list and run its screening; the job's result."""
    answer = await office.service.http.put(
        "/payments/v1/sanctions/list?source=UN+2020-07", content=csv, headers=office.checker
    )
    assert answer.status_code == 200, answer.text
    jobs = await office.service.run_jobs()
    return next(job["result"] for job in reversed(jobs) if job["kind"] == "screen_accounts")


async def reasons(office: Office, built: dict[str, Any]) -> dict[str, list[str]]:
    lines = (await office.get(f"/payment-lists/{built['id']}/lines?limit=500"))["items"]
    return {line["beneficiary_id"]: line["reasons"] for line in lines}


async def next_month(office: Office, cycle: Cycle, period: str) -> dict[str, list[str]]:
    """The reasons on the list of the same people's next month."""
    later = Cycle(cycle.granted, period=period)
    await office.service.deliver(*later.entitlements(), later.closed())
    return await reasons(office, await office.build(later))


async def clear(office: Office, hit: dict[str, Any]) -> dict[str, Any]:
    """Cleared by one, confirmed by another."""
    path = f"/sanctions/hits/{hit['id']}"
    tag = {"If-Match": f'"{hit["version"]}"'}
    asked = await office.post(f"{path}:clear", office.maker, {"reason": "another village and mother"}, 200, **tag)
    tag = {"If-Match": asked.headers["ETag"]}
    return (await office.post(f"{path}:confirm-clearing", office.checker, None, 200, **tag)).json()


async def test_a_similar_name_holds_the_line_until_two_people_have_cleared_it(make_service: MakeService) -> None:
    office, cycle = await arrange(make_service)
    assert await load(office, "name,reference\nVissal PRUM,UN-77\nNobody Known,UN-78\n") == {"screened": 3, "hits": 1}
    first = str(cycle.granted[0].beneficiary_id)
    found = await reasons(office, await office.build(cycle))
    assert [found[str(grant.beneficiary_id)] for grant in cycle.granted] == [["sanctions"], [], []]
    (hit,) = (await office.get("/sanctions/hits"))["items"]
    assert (hit["beneficiary_id"], hit["reference"], hit["status"]) == (first, "UN-77", "open")
    assert hit["reasons"] == ["similar_name", "birth_unknown"]
    assert "holder_name" not in hit
    auditor = office.service.token("auditor", subject="auditor-1")
    await office.get(f"/sanctions/hits/{hit['id']}", auditor, 403)
    both = await office.get(f"/sanctions/hits/{hit['id']}")
    assert (both["holder_name"], both["listed_name"]) == ("Prum Visal", "Vissal PRUM")
    elsewhere = office.service.token("payment_officer", areas=("25",), subject="local-1")
    await office.get(f"/sanctions/hits/{hit['id']}", elsewhere, 404)
    assert (await office.get("/sanctions/hits", elsewhere))["items"] == []
    path, tag = f"/sanctions/hits/{hit['id']}", {"If-Match": f'"{hit["version"]}"'}
    both_roles = office.service.token("payment_officer", "payment_approver", subject="maker-1")
    await office.post(f"{path}:confirm-clearing", office.checker, None, 409, **tag)
    asked = await office.post(f"{path}:clear", both_roles, {"reason": "another village and mother"}, 200, **tag)
    stale = await office.post(f"{path}:confirm-clearing", office.checker, None, 412, **tag)
    assert stale.json()["code"] == "version_changed"
    tag = {"If-Match": asked.headers["ETag"]}
    same = await office.post(f"{path}:confirm-clearing", both_roles, None, 403, **tag)
    assert same.json()["code"] == "same_person"
    assert (await next_month(office, cycle, "2020-08"))[first] == ["sanctions"]
    done = await office.post(f"{path}:confirm-clearing", office.checker, None, 200, **tag)
    assert (done.json()["status"], done.json()["decided_by"]) == ("cleared", "checker-1")
    assert (await next_month(office, cycle, "2020-09"))[first] == []


async def test_what_was_cleared_hits_again_only_when_the_entry_or_the_person_changes(make_service: MakeService) -> None:
    office, cycle = await arrange(make_service)
    first = str(cycle.granted[0].beneficiary_id)
    await load(office, "name,reference\nVisal PRUM,UN-77\n")
    (hit,) = (await office.get("/sanctions/hits"))["items"]
    assert (await clear(office, hit))["status"] == "cleared"
    again = await load(office, "name,reference\nOther Person,UN-1\nVisal PRUM,UN-77\n")
    assert (again["hits"], (await next_month(office, cycle, "2020-08"))[first]) == (1, [])
    await load(office, "name,reference,birth_date\nVisal PRUM,UN-77,1961\n")
    assert (await next_month(office, cycle, "2020-09"))[first] == ["sanctions"]
    await load(office, "name,reference\nVisal PRUM,UN-77\n")
    assert (await next_month(office, cycle, "2020-10"))[first] == []
    (account,) = await office.get(f"/beneficiaries/{first}/accounts")
    proof = {"kind": "in_person", "reference": "visit 12"}
    changed = await office.service.http.put(
        f"/payments/v1/accounts/{account['id']}",
        json={"rail": "mobile_money", "provider": "wing", "account_number": "85599000000", "proof": proof,
              "holder_name": "Prum Visal", "holder_birth_date": "1988-02-03"},
        headers=office.maker | {"If-Match": f'"{account["version"]}"'},
    )  # fmt: skip
    assert changed.status_code == 200, changed.text
    confirm = {"If-Match": f'"{account["version"] + 1}"'}
    seen = {"reason": "seen the paper"}
    await office.post(f"/accounts/{account['id']}:confirm", office.checker, seen, 200, **confirm)
    assert (await next_month(office, cycle, "2020-11"))[first] == ["sanctions"]
    await load(office, "name,reference\nSomebody Else,UN-1\n")
    assert (await next_month(office, cycle, "2020-12"))[first] == []
    assert (await office.get("/sanctions/hits"))["items"] == []


async def test_a_hit_after_the_approval_keeps_the_payment_back_with_its_money_reserved(
    make_service: MakeService,
) -> None:
    office, cycle = await arrange(make_service)
    built = await office.build(cycle)
    await office.approve(built)
    await load(office, "name,reference\nVisal PRUM,UN-77\n")
    assert (await office.disburse(built))["status"] == "partly_disbursed"
    assert len(await office.attempts()) == 2
    assert (await office.balances())["reserved"] == cycle.granted[0].amount
    (hit,) = (await office.get("/sanctions/hits"))["items"]
    await clear(office, hit)
    assert (await office.disburse(built))["status"] == "disbursed"
    assert (await office.self_check())["items"] == []


async def test_an_account_that_came_after_the_list_is_screened_before_it_is_paid_to(make_service: MakeService) -> None:
    office, cycle = await arrange(make_service)
    await load(office, "name,reference,birth_date\nKEO Sofea,UN-9,1990-01-01\n")
    people = [uuid4() for _ in range(3)]
    later = Cycle([Grant(person) for person in people], period="2020-08")
    await office.service.deliver(*later.enrolments(), *later.entitlements(), later.closed())
    await office.import_accounts(named(people, born="1955-06-07"))
    found = await reasons(office, await office.build(later))
    assert [found[str(person)] for person in people] == [[], [], []]
    assert (await next_month(office, cycle, "2020-09"))[str(cycle.granted[1].beneficiary_id)] == ["sanctions"]


async def test_screening_leaves_no_name_in_tables_events_audit_or_logs(
    make_service: MakeService, capfd: pytest.CaptureFixture[str]
) -> None:
    office, cycle = await arrange(make_service)
    await load(office, "name,reference,birth_date\nVisal PRUM,UN-77,1961-02-03\n")
    built = await office.build(cycle)
    (hit,) = (await office.get("/sanctions/hits"))["items"]
    await office.get(f"/sanctions/hits/{hit['id']}")
    await clear(office, hit)
    tables = ("sanction_entry", "sanction_hit", "sanction_screen", "sanction_list", "audit_entry", "job", "outbox")
    async with office.service.database.session() as session:
        for table in tables:
            dump = " ".join(await session.scalars(text(f"SELECT CAST(t AS text) FROM {table} AS t")))
            for secret in ("Visal", "PRUM", "Prum", "visal", "1961"):
                assert secret not in dump, (table, secret)
                assert secret.encode().hex() not in dump, (table, secret)
        actions = set(await session.scalars(text("SELECT action FROM audit_entry")))
    assert {"sanction_hit.read", "sanction_hit.propose_clearing", "sanction_hit.confirm_clearing"} <= actions
    assert "isal" not in "".join(capfd.readouterr())
    assert built["excluded_count"] == 1
