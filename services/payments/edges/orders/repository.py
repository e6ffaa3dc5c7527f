"""All SQL of external orders, set-wise. A prepared order is written as a closed cycle with its entitlements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.orders.model import LineReport, LineStatus, NewOrder, told_code, total_of
from services.payments.metadata import Record
from shared.db import copy_records

_ADD = text(
    """
    INSERT INTO external_order (id, reference, source_code, protocol, modality, request_id, batch_id, callback_url,
        state, currency, count, amount, due_at, received_by, created_at, check_at)
    VALUES (:id, :reference, :source, :protocol, :modality, :request_id, :batch_id, :callback_url, 'received',
        :currency, :count, :amount, :due_at, :actor, :now, :check_at)
    ON CONFLICT (source_code, protocol, batch_id) DO NOTHING RETURNING id
    """
)
_LINE_COLUMNS = ("order_id", "line", "source_code", "instruction_id", "payee_hash", "amount", "currency", "fault")
_RESOLVE = text(
    """
    UPDATE external_order_line l SET payee_id = p.id,
        fault = CASE WHEN p.status = 'active' THEN l.fault ELSE 'inactive_payee' END
    FROM external_payee p
    WHERE l.order_id = :id AND l.fault = '' AND p.source_code = l.source_code AND p.id_hash = l.payee_hash
    """
)
_FAULTS = text(
    """
    WITH judged AS (
        SELECT l.line, CASE
            WHEN l.payee_id IS NULL THEN 'unknown_payee'
            WHEN l.currency <> o.currency THEN 'mixed_currency'
            WHEN row_number() OVER (PARTITION BY l.instruction_id ORDER BY l.line) > 1 THEN 'repeated_instruction'
            WHEN EXISTS (SELECT FROM external_order_line e JOIN external_order eo ON eo.id = e.order_id
                         WHERE e.source_code = l.source_code AND e.instruction_id = l.instruction_id
                           AND e.order_id <> l.order_id AND e.fault = '' AND eo.protocol = o.protocol
                           AND eo.state = 'prepared') THEN 'known_instruction'
            END AS fault
        FROM external_order_line l JOIN external_order o ON o.id = l.order_id
        WHERE l.order_id = :id AND l.fault = ''
    )
    UPDATE external_order_line l SET fault = j.fault FROM judged j
    WHERE l.order_id = :id AND l.line = j.line AND j.fault IS NOT NULL
    """
)
_NUMBER = text(
    """
    WITH numbered AS (
        SELECT l.line, p.beneficiary_id,
               row_number() OVER (PARTITION BY p.beneficiary_id ORDER BY l.line) AS nth
        FROM external_order_line l JOIN external_payee p ON p.id = l.payee_id
        WHERE l.order_id = :id AND l.fault = ''
    )
    UPDATE external_order_line l SET payment_id = deterministic_uuid('payment', CAST(:programme AS text),
        CAST(CAST(:id AS uuid) AS text), CAST(n.beneficiary_id AS text),
        CASE WHEN n.nth = 1 THEN CAST(:reference AS text) ELSE concat(CAST(:reference AS text), '/', n.nth) END)
    FROM numbered n WHERE l.order_id = :id AND l.line = n.line
    """
)
_GRANT = text(
    """
    INSERT INTO entitlement (id, payment_id, cycle_id, programme_code, programme_version, period, beneficiary_id,
        beneficiary_reference, village_code, component, amount, currency, lines, lines_agree, decision_id, version)
    SELECT deterministic_uuid('external_entitlement', CAST(l.payment_id AS text)), l.payment_id, l.order_id,
           CAST(:programme AS text), 1, CAST(:period AS text), p.beneficiary_id, p.reference, p.village_code,
           c.component, l.amount, l.currency,
           jsonb_build_array(jsonb_build_object('component', c.component, 'quantity', 1, 'rate', CAST(l.amount AS text),
                                                'amount', CAST(l.amount AS text))), true, l.order_id, 1
    FROM external_order_line l
    JOIN external_payee p ON p.id = l.payee_id
    JOIN (SELECT line, row_number() OVER (PARTITION BY q.beneficiary_id ORDER BY b.line) AS nth
          FROM external_order_line b JOIN external_payee q ON q.id = b.payee_id
          WHERE b.order_id = :id AND b.fault = '') AS n ON n.line = l.line
    CROSS JOIN LATERAL (SELECT CASE WHEN n.nth = 1 THEN CAST(:reference AS text)
                                    ELSE concat(CAST(:reference AS text), '/', n.nth) END AS component) AS c
    WHERE l.order_id = :id AND l.fault = ''
    ON CONFLICT (id) DO NOTHING
    """
)
_CLOSE = text(
    """
    INSERT INTO cycle (id, programme_code, programme_version, period, reference_date, payment_window_from,
        payment_window_until, funding_line, currency, count, amount, totals, content_hash, closed_by, version)
    SELECT :id, CAST(:programme AS text), 1, CAST(:period AS text), CAST(:today AS date), CAST(:today AS date),
           CAST(:until AS date), CAST(:funding_line AS text), CAST(:currency AS text), t.count, t.amount, t.totals,
           h.content_hash, CAST(:actor AS text), 1
    FROM (SELECT sum(g.count) AS count, sum(g.amount) AS amount,
                 jsonb_agg(jsonb_build_object('component', g.component, 'province_code', g.province_code,
                     'count', g.count, 'amount', CAST(g.amount AS text))
                     ORDER BY g.component, g.province_code) AS totals
          FROM (SELECT component, left(village_code, 2) AS province_code, count(*) AS count, sum(amount) AS amount
                FROM entitlement WHERE cycle_id = :id GROUP BY 1, 2) AS g) AS t
    CROSS JOIN (SELECT encode(sha256(convert_to(string_agg(concat_ws('|', payment_id, trim_scale(amount), currency),
                    E'\\n' ORDER BY payment_id), 'UTF8')), 'hex') AS content_hash
                FROM entitlement WHERE cycle_id = :id) AS h
    WHERE t.count > 0
    ON CONFLICT (id) DO NOTHING RETURNING count, amount
    """
)
_STATE = text(
    """
    UPDATE external_order SET state = :state, refusal = :refusal, accepted_count = :count, accepted_amount = :amount,
        prepared_at = :now, check_at = :now, version = version + 1
    WHERE id = :id RETURNING *
    """
)
_LOCK = text("SELECT * FROM external_order WHERE id = :id FOR UPDATE")
_READ = text("SELECT * FROM external_order WHERE id = :id")
_FIND = text(
    """
    SELECT * FROM external_order WHERE source_code = :source AND protocol = :protocol
      AND (batch_id = :name OR request_id = :name OR CAST(id AS text) = :name)
    ORDER BY created_at DESC LIMIT 1
    """
)
_LIST = text(
    """
    SELECT * FROM external_order
    WHERE (CAST(:source AS text) IS NULL OR source_code = :source)
      AND (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :most
    """
)
_REPORTED = """
    SELECT l.order_id, l.line, l.instruction_id, l.amount, l.currency, l.fault, e.revoked_cause,
           p.status AS payment_status, p.updated_at AS paid_at, a.reason_code, pl.status AS list_status,
           ll.status AS line_status, ll.reasons, o.state AS order_state
    FROM external_order_line l
    JOIN external_order o ON o.id = l.order_id
    LEFT JOIN entitlement e ON e.payment_id = l.payment_id
    LEFT JOIN payment p ON p.id = l.payment_id
    LEFT JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt
    LEFT JOIN LATERAL (SELECT id, status FROM payment_list WHERE cycle_id = l.order_id
                       AND status NOT IN ('rejected', 'refused') ORDER BY id DESC LIMIT 1) AS pl ON true
    LEFT JOIN payment_list_line ll ON ll.payment_list_id = pl.id AND ll.payment_id = l.payment_id
"""
_REPORT = text(_REPORTED + " WHERE l.order_id = :id AND l.line > :after ORDER BY l.line LIMIT :most")
# An instruction may stand in several orders, and twice in one; it was accepted in one line only, and that one counts.
_ACCEPTED = text(
    """
    SELECT DISTINCT ON (l.instruction_id) l.order_id, l.line
    FROM external_order_line l JOIN external_order o ON o.id = l.order_id
    WHERE l.source_code = :source AND o.protocol = :protocol
      AND l.instruction_id = ANY(CAST(:instructions AS text[]))
    ORDER BY l.instruction_id, (l.fault = '' AND o.state = 'prepared') DESC, o.created_at, l.line
    """
)
_REPORT_LINES = text(
    _REPORTED
    + """
    JOIN unnest(CAST(:orders AS uuid[]), CAST(:lines AS integer[])) AS w(order_id, line)
        ON w.order_id = l.order_id AND w.line = l.line
    ORDER BY l.order_id, l.line
    """
)
_LIVE_LIST = text(
    "SELECT id, status FROM payment_list WHERE cycle_id = :id AND status NOT IN ('rejected', 'refused') LIMIT 1"
)
_REVOKE = text(
    """
    UPDATE entitlement SET revoked_cause = :cause, version = version + 1
    WHERE cycle_id = :id AND revoked_cause IS NULL
    """
)
_DUE_REPORTS = text(
    """
    SELECT id FROM external_order WHERE check_at <= :now ORDER BY check_at LIMIT :most FOR UPDATE SKIP LOCKED
    """
)
_CHECKED = text(
    """
    UPDATE external_order SET check_at = :check_at, reported_hash = COALESCE(CAST(:hash AS bytea), reported_hash)
    WHERE id = :id
    """
)


async def add(session: AsyncSession, order_id: UUID, order: NewOrder, values: dict[str, Any]) -> bool:
    """Store an order and its lines (COPY); False when the source handed this batch over before."""
    parameters = values | {
        "id": order_id,
        "protocol": order.protocol,
        "modality": order.modality.value,
        "request_id": order.request_id,
        "batch_id": order.batch_id,
        "callback_url": order.callback_url,
        "due_at": order.due_at,
        "count": len(order.lines),
        "amount": total_of(order.lines),
    }
    if (await session.execute(_ADD, parameters)).first() is None:
        return False
    records = (
        (
            order_id,
            number,
            values["source"],
            line.instruction_id,
            line.payee_hash,
            line.amount,
            line.currency,
            str(line.fault),
        )
        for number, line in enumerate(order.lines, start=1)
    )
    await copy_records(session, "external_order_line", _LINE_COLUMNS, records)
    return True


async def judge(session: AsyncSession, order_id: UUID) -> None:
    """Find whom each line pays, and which lines cannot be paid: two statements for the whole order."""
    await session.execute(_RESOLVE, {"id": order_id})
    await session.execute(_FAULTS, {"id": order_id})


async def write_cycle(session: AsyncSession, order: Any, values: dict[str, Any]) -> tuple[int, Decimal]:
    """Write the good lines as entitlements and close their cycle with control totals.

    Returns:
        (count, amount) of the cycle; (0, 0) when no line is good.
    """
    await session.execute(_NUMBER, {"id": order.id, "programme": values["programme"], "reference": order.reference})
    granted = {key: values[key] for key in ("programme", "period")}
    await session.execute(_GRANT, granted | {"id": order.id, "reference": order.reference})
    closed = {key: values[key] for key in ("programme", "period", "today", "until", "funding_line", "actor")}
    row = (await session.execute(_CLOSE, closed | {"id": order.id, "currency": order.currency})).one_or_none()
    return (int(row[0]), Decimal(row[1])) if row is not None else (0, Decimal(0))


async def set_state(
    session: AsyncSession, order_id: UUID, state: str, *, refusal: str, count: int, amount: Decimal, now: datetime
) -> Record:
    """Move an order on."""
    values = {"id": order_id, "state": state, "refusal": refusal, "count": count, "amount": amount, "now": now}
    return (await session.execute(_STATE, values)).one()


async def by_id(session: AsyncSession, order_id: UUID, *, lock: bool = False) -> Record | None:
    """One order, locked on request."""
    return (await session.execute(_LOCK if lock else _READ, {"id": order_id})).one_or_none()


async def find(session: AsyncSession, source: str, protocol: str, name: str) -> Record | None:
    """A source's order by its batch id, its request id or our id."""
    values = {"source": source, "protocol": protocol, "name": name}
    return (await session.execute(_FIND, values)).one_or_none()


async def listing(
    session: AsyncSession, *, source: str | None, state: str | None, after: UUID | None, most: int
) -> Sequence[Record]:
    """Orders, oldest first."""
    values = {"source": source, "state": state, "after": after, "most": most}
    return (await session.execute(_LIST, values)).all()


async def report(session: AsyncSession, order_id: UUID, *, after: int = 0, most: int) -> list[LineReport]:
    """What became of the lines after this one."""
    values = {"id": order_id, "after": after, "most": most}
    return [_line_report(row) for row in await session.execute(_REPORT, values)]


async def report_instructions(
    session: AsyncSession, source: str, protocol: str, instructions: Sequence[str]
) -> list[tuple[UUID, LineReport]]:
    """What became of these instructions of a source, whichever of its orders each was accepted in: (order, report)."""
    values = {"source": source, "protocol": protocol, "instructions": list(instructions)}
    chosen = (await session.execute(_ACCEPTED, values)).all()
    lines = {"orders": [row.order_id for row in chosen], "lines": [row.line for row in chosen]}
    return [(row.order_id, _line_report(row)) for row in await session.execute(_REPORT_LINES, lines)]


async def live_list(session: AsyncSession, order_id: UUID) -> Record | None:
    """The order's payment list that is not rejected."""
    return (await session.execute(_LIVE_LIST, {"id": order_id})).one_or_none()


async def revoke(session: AsyncSession, order_id: UUID, cause: str) -> None:
    """Withdraw every entitlement of an order: no list will pay them."""
    await session.execute(_REVOKE, {"id": order_id, "cause": cause})


async def due_reports(session: AsyncSession, now: datetime, most: int) -> list[UUID]:
    """Orders to be looked at again, locked; another worker passes them over."""
    return list((await session.execute(_DUE_REPORTS, {"now": now, "most": most})).scalars())


async def checked(session: AsyncSession, order_id: UUID, check_at: datetime | None, told: bytes | None) -> None:
    """Note when to look again, and what the source has been told."""
    await session.execute(_CHECKED, {"id": order_id, "check_at": check_at, "hash": told})


_ENDED = {"settled": LineStatus.PAID, "failed": LineStatus.FAILED, "returned": LineStatus.FAILED}


def _line_report(row: Any) -> LineReport:
    status, code = _judge(row)
    return LineReport(row.line, row.instruction_id, status, row.amount, row.currency, code, row.paid_at)


def _judge(row: Any) -> tuple[LineStatus, str]:
    if row.fault:
        return LineStatus.REFUSED, row.fault
    if row.payment_status == "expired":
        return LineStatus.FAILED, "expired"
    if row.payment_status in _ENDED:
        return _ENDED[row.payment_status], row.reason_code or ""
    if row.payment_status is None and row.revoked_cause:
        return LineStatus.CANCELLED, row.revoked_cause
    if row.order_state in ("refused", "cancelled"):
        return LineStatus.CANCELLED, "order_" + row.order_state
    over = row.list_status in ("disbursing", "partly_disbursed", "disbursed")
    if row.payment_status is None and over and row.line_status == "excluded":
        return LineStatus.REFUSED, told_code(row.reasons[0]) if row.reasons else "excluded"
    return LineStatus.PENDING, ""
