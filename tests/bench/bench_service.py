"""The service that is measured: events from the bus into projections, as eligibility and insights do; one endpoint.

python -m tests.bench.bench_service api|relay|consumer|migrate
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Column, Date, Numeric, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import CurrentPrincipal
from shared.consumer import Received, Subscription
from shared.contracts.payments import PAYMENTS, PaymentSettled
from shared.contracts.registry import HOUSEHOLDS, HouseholdChanged, MemberFacts
from shared.db import upsert_versioned
from shared.http import Router
from shared.runner import main
from shared.service import Context, Service
from shared.settings import Settings
from shared.tables import new_metadata

metadata = new_metadata()
household = Table(
    "household",
    metadata,
    Column("household_id", Uuid, primary_key=True),
    Column("version", BigInteger),
    Column("village_code", Text),
    Column("poverty_level", SmallInteger),
    Column("members", JSONB),
)

payment = Table(
    "payment",
    metadata,
    Column("payment_id", Uuid, primary_key=True),
    Column("version", BigInteger),
    Column("cycle_id", Uuid),
    Column("village_code", Text),
    Column("amount", Numeric(18, 2)),
    Column("settled_on", Date),
)

FILL_HOUSEHOLDS: Final = """
INSERT INTO outbox (topic, key, type, data)
SELECT 'registry.households', h::text, 'samaki.registry.household.changed.v1', json_build_object(
    'version', 1, 'household_id', h, 'reference', 'HH-7K2M9Q4X-5', 'village_code', '01020304',
    'location_class', 'rural', 'poverty_level', 1 + n % 2, 'card_valid_from', '2020-01-01',
    'card_valid_until', '2022-12-31', 'at_risk', false, 'head_person_id', h, 'effective_on', '2020-07-01',
    'members', (SELECT json_agg(json_build_object(
        'person_id', uuidv7(), 'relationship', CASE m WHEN 1 THEN 'head' ELSE 'child' END,
        'sex', CASE (n + m) % 2 WHEN 0 THEN 'female' ELSE 'male' END, 'birth_date', '1990-02-03',
        'birth_date_precision', 'day', 'disability', 'none', 'living_with_hiv', false, 'pregnant', false))
      FROM generate_series(1, 4) m))
FROM (SELECT n, uuidv7() AS h FROM generate_series(1, $1::int) n) numbered
"""
"""$1 households of four people as events in the outbox: the heaviest of the mass events, about 1.3 KB each."""
FILL_PAYMENTS: Final = """
INSERT INTO outbox (topic, key, type, data)
SELECT 'payments.payments', p::text, 'samaki.payments.payment.settled.v1', json_build_object(
    'version', 3, 'payment_id', p, 'entitlement_id', uuidv7(), 'cycle_id', '01890f3c-0000-7000-8000-00000000000a',
    'programme_code', 'KH-CTP-COVID', 'period', '2020-07', 'beneficiary_id', uuidv7(),
    'beneficiary_reference', 'HH-7K2M9Q4X-5', 'village_code', '01020304', 'component', 'monthly_transfer',
    'amount', (80000 + n % 50 * 1000)::text, 'currency', 'KHR', 'attempt', 1, 'rail', 'mobile_money',
    'settled_on', '2020-07-20')
FROM (SELECT n, uuidv7() AS p FROM generate_series(1, $1::int) n) numbered
"""
"""$1 settled payments as events in the outbox: the most frequent of the mass events, about 0.6 KB each."""
FILLS: Final = {"payments": FILL_PAYMENTS, "households": FILL_HOUSEHOLDS}

_MEMBERS: Final = TypeAdapter(tuple[MemberFacts, ...])

router = Router(prefix="/registry/v1")
"""Under the path of a real service, so that the gateway routes to it."""


class BenchSettings(Settings):
    """Nothing of its own."""

    service: str = "bench"


@router.get("/ping")
async def ping(principal: CurrentPrincipal) -> dict[str, str]:
    """The least that an authenticated endpoint can do."""
    return {"subject": principal.subject}


async def on_household(context: Context, session: AsyncSession, events: Sequence[Received[HouseholdChanged]]) -> None:
    """Keep the newest state of each household."""
    rows = [
        {
            "household_id": event.payload.household_id,
            "version": event.payload.version,
            "village_code": event.payload.village_code,
            "poverty_level": event.payload.poverty_level,
            "members": _MEMBERS.dump_python(event.payload.members, mode="json"),
        }
        for event in events
    ]
    await upsert_versioned(session, household, rows, key=["household_id"])


async def on_settled(context: Context, session: AsyncSession, events: Sequence[Received[PaymentSettled]]) -> None:
    """Keep the newest state of each payment."""
    rows = [
        {
            "payment_id": event.payload.payment_id,
            "version": event.payload.version,
            "cycle_id": event.payload.cycle_id,
            "village_code": event.payload.village_code,
            "amount": event.payload.amount,
            "settled_on": event.payload.settled_on,
        }
        for event in events
    ]
    await upsert_versioned(session, payment, rows, key=["payment_id"])


SERVICE = Service(
    name="bench",
    settings=BenchSettings,
    migrations=Path(__file__).parent / "migrations",
    routers=[router],
    subscriptions=[
        Subscription(HOUSEHOLDS, [HouseholdChanged], on_household),
        Subscription(PAYMENTS, [PaymentSettled], on_settled),
    ],
    publishes=[HOUSEHOLDS, PAYMENTS],
)

if __name__ == "__main__":
    main(SERVICE)
