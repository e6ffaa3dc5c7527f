"""GovStack's words for our things. Nothing of this leaves the folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from services.payments.edges.orders.model import LineReport, LineStatus, reason_words
from services.payments.edges.payees.model import EXPLAINED, Address, PayeeFault
from services.payments.edges.sources.model import MAX_URL, Source
from services.payments.fields import plain
from services.payments.rails.names import BANK, CASH, MOBILE_MONEY
from services.payments.vouchers.model import NewVoucher, VoucherFault, VoucherStatus
from shared.service import Context

PROTOCOL: Final = "govstack"
OK: Final = "00"
FAILED: Final = "01"
RAILS: Final = {"00": BANK, "01": MOBILE_MONEY, "03": MOBILE_MONEY, "04": CASH}
"""PaymentModality: 00 bank account, 01 mobile money, 03 digital wallet, 04 proxy (cash at an agent). 02, voucher, has
endpoints of its own."""
VOUCHER_STATUS: Final = {
    VoucherStatus.PREACTIVATED: 1,
    VoucherStatus.ACTIVATED: 2,
    VoucherStatus.BLOCKED: 3,
    VoucherStatus.CANCELLED: 4,
    VoucherStatus.CONSUMED: 5,
    VoucherStatus.EXPIRED: 6,
}
VOUCHER_ERROR: Final = 9
_FAULTS: Final = {
    VoucherFault.UNKNOWN: "There is no such voucher in this batch.",
    VoucherFault.REPEATED: "The voucher is named twice.",
    VoucherFault.NOT_PREACTIVATED: "The voucher is not pre-activated.",
    VoucherFault.CONSUMED: "The voucher was used.",
    VoucherFault.CANCELLED: "The voucher was cancelled.",
    VoucherFault.EXPIRED: "The voucher has expired.",
}


def number(amount: Decimal) -> orjson.Fragment:
    """An amount as an exact JSON number: never through a float."""
    return orjson.Fragment(plain(amount))


def address_of(modality: str, number_: str, institution: str) -> Address | PayeeFault | None:
    """Where a beneficiary is paid, from its modality; None where nothing is said of it."""
    if not modality and not number_:
        return None
    rail = RAILS.get(modality)
    if rail is None:
        return PayeeFault.MODALITY
    return Address(rail, institution, number_)


def report_address(order: Any) -> str:
    """Where the report of a batch goes: the specification names the batch and the request in the address, too.

    An address that would become too long goes without: the body names both.
    """
    query = urlencode({"batchId": order.batch_id, "X-CorrelationID": order.request_id[:12]})
    base, mark, fragment = order.callback_url.partition("#")
    full = f"{base}{'&' if '?' in base else '?'}{query}{mark}{fragment}"
    return full if len(full) <= MAX_URL else order.callback_url


def moment(at: datetime) -> str:
    """A time stamp on the wire: UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def report_body(context: Context, source: Source, order: Any, reports: Sequence[LineReport], now: datetime) -> bytes:
    """The status of a batch, for its callback: counts and sums."""
    sums: dict[str, list[Any]] = {"completed": [0, Decimal(0)], "failed": [0, Decimal(0)], "ongoing": [0, Decimal(0)]}
    for report in reports:
        if report.status is LineStatus.PAID:
            key = "completed"
        else:
            key = "ongoing" if report.status is LineStatus.PENDING else "failed"
        sums[key][0] += 1
        sums[key][1] += report.amount or Decimal(0)
    body = {
        "requestId": order.request_id[:12],
        "batchId": order.batch_id,
        "TotalTransactions": len(reports),
        "ongoing": sums["ongoing"][0],
        "failed": sums["failed"][0],
        "completed": sums["completed"][0],
        "totalAmount": number(order.amount),
        "completed_amount": number(sums["completed"][1]),
        "ongoing_amount": number(sums["ongoing"][1]),
        "failed_amount": number(sums["failed"][1]),
        "result_file": "",
        "resultGeneratedAt": moment(now),
        "note": f"{order.reference} {order.state}",
    }
    return orjson.dumps(body)


def detail(order: Any, report: LineReport) -> dict[str, Any]:
    """One instruction of a batch, for polling."""
    body: dict[str, Any] = {
        "transactionId": report.instruction_id,
        "startedAt": moment(order.created_at),
        "status": report.status.value.upper(),
        "statusDetail": report.code,
        "currency": report.currency,
        "direction": "OUTGOING",
        "batchId": order.batch_id,
    }
    if report.amount is not None:
        body["amount"] = number(report.amount)
    if report.status is not LineStatus.PENDING and report.on is not None:
        body["completedAt"] = moment(report.on)
    if report.code and report.status is not LineStatus.PAID:
        body["errorInformation"] = reason_words(report.code)
    return body


def onboarding_body(name: str, request_id: str, failed: Sequence[tuple[str, str, str, PayeeFault]]) -> bytes:
    """What became of a registration or an update: (payee, modality, institution, fault) of each that failed.

    Args:
        name: what the payee's id is called there: `payeeIdentity` after a registration, `payeeFunctionalID` after an
            update.
    """
    cases = [
        {
            name: payee,
            "paymentModality": modality or "00",  # must be one: 00 where the message gave none
            "bankingInstitutionCode": institution,
            "failureReason": EXPLAINED[fault],
        }
        for payee, modality, institution, fault in failed
    ]
    body = {
        "requestID": request_id,
        "registerRequestID": request_id,
        "numberFailedCases": len(cases),
        "failedCases": cases,
    }
    return orjson.dumps(body)


def validation_body(request_id: str, batch_id: str, failed: Sequence[tuple[str, str]]) -> bytes:
    """What became of a prepayment validation: (instruction, reason) of each that cannot be paid."""
    body = {
        "clientCorrelationId": request_id,
        "batchId": batch_id,
        "numberOfFailedCases": len(failed),
        "failedAccountLookups": [{"instructionID": name, "failureReason": reason} for name, reason in failed],
    }
    return orjson.dumps(body)


def vouchers_body(
    request_id: str, batch_id: str, lines: Sequence[Any], vouchers: Sequence[NewVoucher], narrations: Sequence[str]
) -> bytes:
    """The vouchers made, with their secrets: sent once, over TLS, encrypted until then."""
    items = []
    for voucher in vouchers:
        line = lines[voucher.line - 1]
        items.append(
            {
                "instructionID": line.instruction_id,
                "serialNumber": voucher.serial,
                "voucherNumber": voucher.secret,
                "currency": line.currency,
                "amount": number(line.amount),
                "narration": narrations[voucher.line - 1],
            }
        )
    return orjson.dumps({"requestID": request_id, "batchID": batch_id, "voucherInstructions": items})


def voucher_cases_body(request_id: str, faults: Sequence[tuple[str, VoucherFault]]) -> bytes:
    """What became of an activation or a cancellation."""
    cases = [{"serialNumber": serial[:20], "failureReason": _FAULTS[fault]} for serial, fault in faults]
    body = {
        "requestID": request_id,
        "registerRequestID": request_id,
        "numberFailedCases": len(cases),
        "failedCases": cases,
    }
    return orjson.dumps(body)
