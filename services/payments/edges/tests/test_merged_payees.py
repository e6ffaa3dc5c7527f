"""Payees whose records were merged: one account in force, one payment of one benefit, and each its own once undone."""

from __future__ import annotations

from uuid import UUID, uuid4

from services.payments.edges.tests.builders import EDGES, SETTINGS, SourceBB, request_id, rows
from services.payments.tests.builders import Office
from shared.contracts.registry import IdentityMerged, IdentityRestored
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

VALIDATE = "/prepayment-validation"


async def payee_ids(service: TestService, count: int) -> list[UUID]:
    found = await rows(service, "SELECT beneficiary_id FROM external_payee ORDER BY created_at, id")
    assert len(found) == count
    return [row["beneficiary_id"] for row in found]


def merged(retired: UUID, surviving: UUID, version: int = 1) -> IdentityMerged:
    return IdentityMerged(version=version, kind="person", retired_id=retired, surviving_id=surviving, merge_id=uuid4())


async def accounts(service: TestService) -> list[tuple[UUID, str, int]]:
    found = await rows(service, "SELECT beneficiary_id, status, version FROM account ORDER BY created_at, id")
    return [tuple(row.values()) for row in found]


async def fails(source: SourceBB, payees: list[str]) -> list[str]:
    """Which payees a prepayment validation refuses."""
    message = source.bulk(payees)
    named = {line["InstructionID"]: line["PayeeFunctionalID"] for line in message["CreditInstructions"]}
    await source.post(VALIDATE, message, 200)
    told = (await source.callbacks("validation"))[-1]
    return sorted(named[line["instructionID"]] for line in told["failedAccountLookups"])


def change(source: SourceBB, payee: str, number: str) -> dict[str, object]:
    entry = {
        "PayeeFunctionalID": payee,
        "PaymentModality": "01",
        "FinancialAddress": number,
        "BankingInstitutionCode": "WING",
    }
    return {"RequestID": request_id(), "SourceBBID": source.code, "Beneficiaries": [entry]}


async def test_a_merged_payee_is_paid_at_the_account_in_force_and_has_her_own_again_when_it_is_undone(
    make_service: MakeService,
) -> None:
    service = await make_service(EDGES, **SETTINGS)
    source = SourceBB(service)
    await source.register()
    await source.beneficiaries(["NID1"])
    await source.beneficiaries(["NID2"], start=85512999000)
    kept, gone = await payee_ids(service, 2)
    await rows(service, "UPDATE account SET status = 'closed' WHERE beneficiary_id = :id RETURNING id", id=gone)
    assert await fails(source, ["NID1", "NID2"]) == ["NID2"]
    await service.deliver(merged(gone, kept))
    assert await fails(source, ["NID1", "NID2"]) == []
    await source.post("/update-beneficiary-details", change(source, "NID2", "85512777777"), 200)
    assert await accounts(service) == [(kept, "active", 2), (gone, "closed", 1)]  # one person, one account, changed
    restored = IdentityRestored(version=2, kind="person", retired_id=gone, surviving_id=kept, merge_id=uuid4())
    await service.deliver(restored)
    assert await fails(source, ["NID1", "NID2"]) == ["NID2"]


async def test_two_payees_who_are_one_person_are_paid_one_benefit_once_and_the_source_is_told(
    make_service: MakeService,
) -> None:
    service = await make_service(EDGES, **SETTINGS)
    source, office = SourceBB(service), Office(service)
    await source.register()
    await office.open_fund()
    people = ["NID1", "NID2", "NID3"]
    await source.beneficiaries(people)
    kept, gone, _ = await payee_ids(service, 3)
    await service.deliver(merged(gone, kept))
    await source.post("/bulk-payment", source.bulk(people), 200)
    await service.run_jobs()
    (order,) = await source.orders()
    built = await office.post("/payment-lists", office.maker, {"cycle_id": order["id"]}, 202)
    await service.run_jobs()
    listed = await office.get(f"/payment-lists/{built.json()['payment_list_id']}")
    assert (listed["ready_count"], listed["excluded_count"]) == (2, 1)
    (left_out,) = await rows(service, "SELECT beneficiary_id, reasons FROM payment_list_line WHERE status = 'excluded'")
    assert (left_out["beneficiary_id"], left_out["reasons"]) == (gone, ["merged_identity"])
    await office.approve(listed)
    await office.disburse(listed)
    statuses = [status for status, _ in (await source.lines(order["id"])).values()]
    assert sorted(statuses) == ["pending", "pending", "refused"]
