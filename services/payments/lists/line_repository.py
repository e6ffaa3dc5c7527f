"""All SQL that writes and changes lines, set-wise, in chunks of payment ids: building with its checks, exclusions,
splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.days import local_day
from services.payments.identities.list_repository import judge_merged
from services.payments.lists.model import EXPLAINED, LineReason, part_id
from services.payments.metadata import Record
from services.payments.recoveries.deductions import cap_deductions
from shared.contracts.payments import PAYMENTS, PaymentExcluded
from shared.telemetry import current_traceparent

# The order of the reasons is that of model.LineReason: the first is the one that is published. OFFSET 0 keeps the
# planner from folding `found` into the SELECT list, where every mention of its columns would run all the checks again.
_BUILD: Final = text(
    """
    INSERT INTO payment_list_line (payment_list_id, payment_id, entitlement_id, beneficiary_id, beneficiary_reference,
        village_code, component, amount, deduction, claim_id, currency, account_id, account_version, rail, provider,
        status, reasons)
    SELECT :list, f.payment_id, f.id, f.beneficiary_id, f.beneficiary_reference, f.village_code, f.component,
           CASE WHEN f.kept_back THEN f.amount - f.deduction ELSE f.amount END,
           CASE WHEN f.kept_back THEN f.deduction ELSE 0 END, CASE WHEN f.kept_back THEN f.claim_id END,
           f.currency, f.account_id, f.account_version, f.rail, f.provider,
           CASE WHEN f.ready THEN 'ready' ELSE 'excluded' END, f.reasons
    FROM (
        SELECT found.*, cardinality(found.reasons) = 0 AS ready,
               cardinality(found.reasons) = 0 AND found.deduction > 0 AS kept_back
        FROM (
            SELECT e.payment_id, e.id, e.beneficiary_id, e.beneficiary_reference, e.village_code, e.component, e.amount,
                   e.currency, a.id AS account_id, a.version AS account_version, a.rail, a.provider, k.id AS claim_id,
                   CASE WHEN k.id IS NULL THEN 0 ELSE GREATEST(0, LEAST(k.amount - k.recovered,
                       trunc(e.amount * k.monthly_cap_percent / 100,
                             CASE WHEN e.currency IN ('KHR', 'VND') THEN 0 ELSE 2 END)
                       - (SELECT COALESCE(sum(x.amount), 0) FROM claim_deduction x
                          WHERE x.claim_id = k.id AND x.period = e.period))) END AS deduction,
                   array_remove(ARRAY[
        CASE WHEN e.revoked_cause IS NOT NULL THEN 'revoked' END,
        CASE WHEN EXISTS (SELECT FROM death g WHERE g.person_id = e.beneficiary_id AND NOT g.withdrawn)
               OR EXISTS (SELECT FROM death g WHERE g.household_id = e.beneficiary_id AND NOT g.withdrawn
                          AND g.living_members = 0)
               OR EXISTS (SELECT FROM dissolved_household g WHERE g.household_id = e.beneficiary_id
                          AND g.cause = 'deceased') THEN 'deceased' END,
        CASE WHEN EXISTS (SELECT FROM dissolved_household g WHERE g.household_id = e.beneficiary_id
                          AND g.cause <> 'deceased') THEN 'dissolved' END,
        CASE WHEN EXISTS (SELECT FROM sanction_hit s WHERE s.account_id = a.id AND s.in_force
                          AND s.status <> 'cleared') THEN 'sanctions' END,
        CASE WHEN EXISTS (SELECT FROM emergency_stop s WHERE s.scope = 'person' AND s.released_at IS NULL
                          AND s.target = CAST(e.beneficiary_id AS text)) THEN 'stopped' END,
        CASE WHEN EXISTS (SELECT FROM hold h WHERE h.payment_id = e.payment_id AND NOT h.released
                          AND (h.until IS NULL OR h.until >= CAST(:today AS date)))
             THEN 'hold' END,
        CASE WHEN EXISTS (SELECT FROM payment p WHERE p.beneficiary_id = e.beneficiary_id
                          AND p.programme_code = e.programme_code AND p.period = e.period
                          AND p.component = e.component) THEN 'already_paid' END,
        CASE WHEN NOT e.lines_agree OR (e.currency, e.programme_code, e.period)
                  IS DISTINCT FROM (c.currency, c.programme_code, c.period) THEN 'control' END,
        CASE WHEN e.unconfirmed THEN 'unconfirmed' END,
        CASE WHEN e.amount = 0 THEN 'amount_zero' END,
        CASE WHEN e.amount > CAST(:ceiling AS numeric) THEN 'over_ceiling' END,
        CASE WHEN a.id IS NULL THEN 'no_account' END,
        CASE WHEN a.usable_from > :now AND a.confirmed_by IS NULL THEN 'account_changed' END,
        CASE WHEN a.validation IN ('mismatched', 'not_found') THEN 'account_invalid' END,
        CASE WHEN a.number_hash IN (SELECT unnest(CAST(:shared AS bytea[]))) THEN 'duplicate_account' END
        ], NULL) AS reasons
            FROM entitlement e
            JOIN cycle c ON c.id = e.cycle_id
            LEFT JOIN LATERAL (
                SELECT o.id, o.version, o.rail, o.provider, o.number_hash, o.usable_from, o.confirmed_by, o.validation
                FROM account o
                WHERE o.beneficiary_id = e.beneficiary_id AND o.status = 'active'
                  AND o.purpose IN (e.programme_code, 'any')
                ORDER BY o.purpose = 'any', o.preference LIMIT 1) AS a ON true
            LEFT JOIN claim k ON k.beneficiary_id = e.beneficiary_id AND k.currency = e.currency AND k.status = 'open'
            WHERE e.cycle_id = :cycle AND e.payment_id > :after AND e.payment_id <= :until
            ORDER BY e.payment_id OFFSET 0) AS found) AS f
    """
)
_EXCLUDE: Final = text(
    """
    UPDATE payment_list_line SET status = 'excluded', amount = amount + deduction, deduction = 0, claim_id = NULL,
        reasons = ARRAY[CAST(:reason AS text)], note = :note
    WHERE payment_list_id = :list AND payment_id = ANY(CAST(:payments AS uuid[])) AND status = 'ready'
    RETURNING payment_id
    """
)
_PRIORITISE: Final = text(
    """
    UPDATE payment_list_line SET priority = :priority, note = :note
    WHERE payment_list_id = :list AND payment_id = ANY(CAST(:payments AS uuid[])) AND status = 'ready'
    RETURNING payment_id
    """
)
_TAKE_APART: Final = text(
    """
    UPDATE payment_list_line SET status = 'split', reasons = ARRAY[CAST('split' AS text)], note = :note
    WHERE payment_list_id = :list AND payment_id = :payment AND part_of IS NULL
      AND (status = 'ready' OR (status = 'excluded' AND reasons = ARRAY[CAST('over_ceiling' AS text)]))
      AND account_id IS NOT NULL
    RETURNING *
    """
)
_ADD_PARTS: Final = text(
    """
    INSERT INTO payment_list_line (payment_list_id, payment_id, entitlement_id, beneficiary_id, beneficiary_reference,
        village_code, component, amount, deduction, claim_id, currency, account_id, account_version, rail, provider,
        status, reasons, note, part_of)
    SELECT l.payment_list_id, s.id, l.entitlement_id, l.beneficiary_id, l.beneficiary_reference, l.village_code,
           l.component, s.amount, CASE WHEN s.nth = 1 THEN l.deduction ELSE 0 END,
           CASE WHEN s.nth = 1 THEN l.claim_id END, l.currency, l.account_id, l.account_version, l.rail, l.provider,
           'ready', '{}', :note, l.payment_id
    FROM payment_list_line l
    CROSS JOIN unnest(CAST(:ids AS uuid[]), CAST(:amounts AS numeric[])) WITH ORDINALITY AS s(id, amount, nth)
    WHERE l.payment_list_id = :list AND l.payment_id = :payment
    """
)
_LINE: Final = text("SELECT * FROM payment_list_line WHERE payment_list_id = :list AND payment_id = :payment")
_PUBLISH: Final = text(
    """
    WITH left_out AS MATERIALIZED (
        SELECT l.*, p.programme_code, p.period, p.cycle_id, l.reasons[1] AS reason_code,
               CAST(:explained AS jsonb) ->> l.reasons[1] AS reason
        FROM payment_list_line l JOIN payment_list p ON p.id = l.payment_list_id
        WHERE l.payment_list_id = :list AND l.status = 'excluded' AND l.payment_id > :after AND l.payment_id <= :until
    ), told AS (
        INSERT INTO payment_exclusion (payment_id, version, reason_code)
        SELECT payment_id, 1, reason_code FROM left_out ORDER BY payment_id
        ON CONFLICT (payment_id) DO UPDATE
            SET version = payment_exclusion.version + 1, reason_code = excluded.reason_code
            WHERE payment_exclusion.reason_code <> excluded.reason_code
        RETURNING payment_id, version
    )
    INSERT INTO outbox (topic, key, type, data, traceparent)
    SELECT :topic, l.payment_id, :type, json_build_object('version', t.version, 'payment_id', l.payment_id,
        'entitlement_id', l.entitlement_id, 'cycle_id', l.cycle_id, 'programme_code', l.programme_code,
        'period', l.period, 'beneficiary_id', l.beneficiary_id, 'beneficiary_reference', l.beneficiary_reference,
        'village_code', l.village_code, 'component', l.component, 'amount', CAST(trim_scale(l.amount) AS text),
        'currency', l.currency, 'attempt', 1, 'rail', COALESCE(l.rail, ''), 'account_token', a.token,
        'reason_code', l.reason_code, 'reason', l.reason), :traceparent
    FROM told t JOIN left_out l ON l.payment_id = t.payment_id LEFT JOIN account a ON a.id = l.account_id
    """
)
_BOUNDARY: Final = text(
    """
    SELECT payment_id, run AS amount, nth AS count FROM (
        SELECT payment_id, sum(amount) OVER w AS run, count(*) OVER w AS nth
        FROM payment_list_line
        WHERE payment_list_id = :list AND status = 'ready' AND payment_id > :after
        WINDOW w AS (ORDER BY payment_id)) AS running
    WHERE run <= :available ORDER BY payment_id DESC LIMIT 1
    """
)
_LAST_LINES: Final = text(
    """
    SELECT payment_id, amount FROM payment_list_line
    WHERE payment_list_id = :list AND status = 'ready' AND payment_id > :after AND payment_id <= :until
    ORDER BY payment_id DESC LIMIT :most
    """
)
_ADD_FUND: Final = text(
    """
    INSERT INTO payment_list_fund (payment_list_id, position, fund_code, after_payment, until_payment, count, amount)
    VALUES (:list, :position, :fund, :after, :until, :count, :amount)
    """
)
_FUNDS: Final = text("SELECT * FROM payment_list_fund WHERE payment_list_id = :list ORDER BY position")
_DROP_FUNDS: Final = text("DELETE FROM payment_list_fund WHERE payment_list_id = :list")
_RAILS: Final = text(
    "SELECT DISTINCT rail FROM payment_list_line WHERE payment_list_id = :list AND status = 'ready' ORDER BY rail"
)
LAST: Final = UUID(int=2**128 - 1)


async def build_lines(
    session: AsyncSession,
    row: Record,
    after: UUID,
    until: UUID,
    *,
    shared: Sequence[bytes],
    ceiling: Decimal | None,
    now: datetime,
) -> None:
    """Write the lines of payments in (after, until], checked: each keeps every reason that keeps it out.

    Args:
        row: the payment list.
        shared: hashes of the account numbers that serve too many beneficiaries (`accounts.repository.overshared`).
        ceiling: the most that one payment may be; None: no limit.
        now: decides whether a hold is in force and an account's cooling-off is over.
    """
    await session.execute(
        _BUILD,
        {
            "list": row.id,
            "cycle": row.cycle_id,
            "after": after,
            "until": until,
            "shared": list(shared),
            "ceiling": ceiling,
            "now": now,
            "today": local_day(now),
        },
    )
    await judge_merged(session, row, after, until, shared=shared, now=now)
    await cap_deductions(session, row.id, after, until)
    await publish_exclusions(session, row.id, after, until)


async def publish_exclusions(session: AsyncSession, list_id: UUID, after: UUID, until: UUID) -> None:
    """Publish payment.excluded for the excluded lines in (after, until], unless the same was said before."""
    await session.execute(
        _PUBLISH,
        {
            "list": list_id,
            "after": after,
            "until": until,
            "topic": PAYMENTS,
            "type": PaymentExcluded.TYPE,
            "explained": _WORDS,
            "traceparent": current_traceparent(),
        },
    )


_WORDS: Final = "{" + ", ".join(f'"{reason.value}": "{words}"' for reason, words in EXPLAINED.items()) + "}"


async def exclude_lines(session: AsyncSession, list_id: UUID, payments: Sequence[UUID], note: str) -> list[UUID]:
    """Take ready lines off the list; those that were there. Published."""
    parameters = {"list": list_id, "payments": list(payments), "reason": LineReason.OFFICER.value, "note": note}
    gone = sorted((await session.scalars(_EXCLUDE, parameters)).all())
    if gone:
        await publish_exclusions(session, list_id, UUID(int=max(gone[0].int - 1, 0)), gone[-1])
    return gone


async def prioritise_lines(
    session: AsyncSession, list_id: UUID, payments: Sequence[UUID], priority: int, note: str
) -> list[UUID]:
    """Have ready lines disbursed before the others (0: with them); those that were there."""
    parameters = {"list": list_id, "payments": list(payments), "priority": priority, "note": note}
    return sorted((await session.scalars(_PRIORITISE, parameters)).all())


async def line_of(session: AsyncSession, list_id: UUID, payment: UUID) -> Record | None:
    """One line of a list."""
    return (await session.execute(_LINE, {"list": list_id, "payment": payment})).one_or_none()


async def split_line(
    session: AsyncSession, list_id: UUID, payment: UUID, amounts: Sequence[Decimal], note: str
) -> bool:
    """Replace a ready line, or one left out only for being over the ceiling, by parts; False when it is neither."""
    taken = await session.execute(_TAKE_APART, {"list": list_id, "payment": payment, "note": note})
    if taken.first() is None:
        return False
    ids = [part_id(payment, number) for number in range(1, len(amounts) + 1)]
    parameters: Mapping[str, Any] = {"list": list_id, "payment": payment, "ids": ids, "amounts": list(amounts)}
    await session.execute(_ADD_PARTS, {**parameters, "note": note})
    return True


async def lines_within(session: AsyncSession, list_id: UUID, after: UUID, available: Decimal) -> Record | None:
    """The last payment (with count and amount up to it) that this much money reaches, beginning after `after`."""
    parameters = {"list": list_id, "after": after, "available": available}
    return (await session.execute(_BOUNDARY, parameters)).one_or_none()


async def last_lines(session: AsyncSession, list_id: UUID, after: UUID, until: UUID, most: int) -> list[Record]:
    """(payment_id, amount) of the last ready lines in (after, until], in the order of their payments."""
    values = {"list": list_id, "after": after, "until": until, "most": most}
    return list((await session.execute(_LAST_LINES, values)).all())[::-1]


async def add_fund_range(session: AsyncSession, list_id: UUID, position: int, fund_code: str, **values: Any) -> None:
    """Have a fund pay the payments in (after, until] of a list."""
    await session.execute(_ADD_FUND, {"list": list_id, "position": position, "fund": fund_code, **values})


async def fund_ranges(session: AsyncSession, list_id: UUID) -> Sequence[Record]:
    """Which fund pays which payments of an approved list."""
    return (await session.execute(_FUNDS, {"list": list_id})).all()


async def drop_fund_ranges(session: AsyncSession, list_id: UUID) -> None:
    """An approval is void: nothing is assigned any more."""
    await session.execute(_DROP_FUNDS, {"list": list_id})


async def rails_of(session: AsyncSession, list_id: UUID) -> Sequence[str]:
    """The rails that a list's ready lines go over."""
    return (await session.scalars(_RAILS, {"list": list_id})).all()
