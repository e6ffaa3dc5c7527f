"""G2P Connect's words for our things. Nothing of this leaves the folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from services.payments.edges.g2p_connect.signature import our_key, sign
from services.payments.edges.orders.model import LineFault, LineReport, LineStatus, reason_words
from services.payments.edges.payees.model import EXPLAINED, Address, PayeeFault
from services.payments.edges.sources.model import Source
from services.payments.rails.names import BANK, MOBILE_MONEY
from shared.ids import uuid7
from shared.service import Context

PROTOCOL: Final = "g2p_connect"
OUR_ID: Final = "samaki-payments"
OUR_KEY_ID: Final = "1"
VERSION: Final = "1.0.0"

_FA: Final = re.compile(r"([a-z-]+):([^@\s]{1,100})@([a-z0-9._-]{1,60})")
_ACCOUNTS: Final = {"account": BANK, "account-no": BANK, "iban": BANK, "mobile": MOBILE_MONEY}
_PEOPLE: Final = frozenset({"id", "uid", "vid", "token", "nid", "brn", "mrn"})
_STATUS: Final = {LineStatus.PAID: "succ", LineStatus.PENDING: "pdng"}
_LINE_CODES: Final = {
    LineFault.BAD_AMOUNT: "rjct.amount.invalid",
    LineFault.BAD_CURRENCY: "rjct.currency_code.invalid",
    LineFault.MIXED_CURRENCY: "rjct.currency_code.invalid",
    LineFault.REPEATED: "rjct.reference_id.duplicate",
    LineFault.KNOWN: "rjct.reference_id.duplicate",
    LineFault.UNKNOWN_PAYEE: "rjct.payee_fa.invalid",
    LineFault.INACTIVE_PAYEE: "rjct.payee_fa.invalid",
    LineFault.PAYER: "rjct.payer_fa.invalid",
}
_LINK_CODES: Final = {
    PayeeFault.BAD_ID: "rjct.id.invalid",
    PayeeFault.REPEATED: "rjct.reference_id.duplicate",
}
LIST_NAMES: Final = {"link": "link", "update": "update", "unlink": "unlink", "resolve": "resolve"}


def parse_address(fa: str) -> Address | None:
    """A financial address that is an account; None where it is none of a kind we pay to. Case does not matter."""
    match = _FA.fullmatch(fa.strip().lower())
    rail = _ACCOUNTS.get(match[1]) if match else None
    if match is None or rail is None:
        return None
    return Address(rail, match[3].split(".")[0][:35].upper(), match[2])


def is_person(fa: str) -> bool:
    """Whether an address names a person, to be resolved by the mapper."""
    match = _FA.fullmatch(fa.strip().lower())
    return match is not None and match[1] in _PEOPLE


def normal(identity: str) -> str:
    """An id as it is compared: case does not matter."""
    return identity.strip().lower()


def moment(at: datetime) -> str:
    """A time stamp on the wire."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def amount(value: Decimal) -> str:
    """An amount on the wire: two digits after the point, exact."""
    return f"{value:.2f}"


def ack(status: str, correlation_id: str, now: datetime, error: dict[str, str] | None = None) -> dict[str, Any]:
    """The acknowledgement of a message."""
    message: dict[str, Any] = {"ack_status": status, "timestamp": moment(now), "correlation_id": correlation_id[:99]}
    if error is not None:
        message["error"] = error
    return {"message": message}


def envelope(
    context: Context, source: Source, action: str, message: dict[str, Any], *, total: int, completed: int, now: datetime
) -> bytes:
    """A signed message of ours."""
    header = {
        "version": VERSION,
        "message_id": str(uuid7()),
        "message_ts": moment(now),
        "action": action,
        "status": "succ",
        "total_count": total,
        "completed_count": completed,
        "sender_id": OUR_ID,
        "receiver_id": source.sender_id or source.code,
        "is_msg_encrypted": False,
    }
    return _signed(context, header, message, now)


def signed_now(context: Context, body: bytes, now: datetime) -> bytes:
    """A signed message of ours, signed again: it is the same message, and can be checked for another hour."""
    document = orjson.loads(body)
    return _signed(context, document["header"], document["message"], now)


def _signed(context: Context, header: dict[str, Any], message: dict[str, Any], now: datetime) -> bytes:
    key = our_key(context.settings.encryption_key.get_secret_value())
    signature = sign(key, OUR_ID, OUR_KEY_ID, header, message, now)
    return orjson.dumps({"signature": signature, "header": header, "message": message})


def disburse_response(transaction_id: str, reports: Sequence[LineReport], now: datetime) -> dict[str, Any]:
    """What became of a transaction's disbursements."""
    return {"transaction_id": transaction_id, "disbursements_status": [_disbursed(r, now) for r in reports]}


def _disbursed(report: LineReport, now: datetime) -> dict[str, Any]:
    body: dict[str, Any] = {
        "reference_id": report.instruction_id,
        "timestamp": moment(report.on or now),
        "status": _STATUS.get(report.status, "rjct"),
    }
    if report.amount is not None:
        body["amount"] = amount(report.amount)
    if re.fullmatch(r"[A-Z]{3}", report.currency):
        body["currency_code"] = report.currency
    if body["status"] == "rjct":
        code = _LINE_CODES.get(report.code)  # type: ignore[call-overload]
        if code is not None:
            body["status_reason_code"] = code
        body["status_reason_message"] = reason_words(report.code)
    return body


def report_body(context: Context, source: Source, order: Any, reports: Sequence[LineReport], now: datetime) -> bytes:
    """`on-disburse`: the word on a whole transaction, signed."""
    message = disburse_response(order.batch_id, reports, now)
    completed = sum(1 for report in reports if report.status is not LineStatus.PENDING)
    return envelope(context, source, "on-disburse", message, total=len(reports), completed=completed, now=now)


def map_status(action: str, reference_id: str, fa: str, fault: PayeeFault | None, now: datetime) -> dict[str, Any]:
    """What became of one link, update or unlink. The specification asks for the sender's own `fa` after an update."""
    body: dict[str, Any] = {"reference_id": reference_id, "timestamp": moment(now)}
    if action == "update":
        body["fa"] = fa
    if fault is None:
        return body | {"status": "succ"}
    fallback = "rjct.fa.invalid" if action == "link" else "rjct.reference_id.invalid"
    code = _LINK_CODES.get(fault, fallback) if action == "link" else fallback
    if fault is PayeeFault.REPEATED:
        code = "rjct.reference_id.duplicate"
    return body | {"status": "rjct", "status_reason_code": code, "status_reason_message": EXPLAINED[fault]}
