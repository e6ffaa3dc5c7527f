"""What goes into the outbox."""

import pytest

from shared.contracts.registry import HouseholdRegistered, MemberFacts
from shared.events import MAX_DATA_BYTES
from shared.ids import uuid7
from shared.outbox import PayloadTooLong, publish
from shared.tests.probe.service import dissolved


def household(reference: str) -> HouseholdRegistered:
    member = MemberFacts(person_id=uuid7(), relationship="head", sex="female", birth_date="1980-01-01")
    return HouseholdRegistered(
        household_id=uuid7(),
        reference=reference,
        village_code="01020304",
        location_class="rural",
        poverty_level=1,
        members=(member,),
        effective_on="2020-07-01",
        version=1,
    )


async def test_events_keep_their_order_and_content(probe):
    sent = [dissolved(uuid7()), household("HH-1"), dissolved(uuid7()), household("ខ្មែរ")]
    async with probe.database.session() as session:
        await publish(session, sent)
    assert await probe.outbox() == sent


async def test_a_payload_that_no_broker_takes_is_refused_before_it_can_block_the_relay(probe):
    with pytest.raises(PayloadTooLong):
        async with probe.database.session() as session:
            await publish(session, [dissolved(uuid7()), household("x" * MAX_DATA_BYTES)])
    assert await probe.outbox() == []
