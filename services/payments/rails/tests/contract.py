"""What every rail promises. A rail's own tests subclass `RailContract` and give the fixture `other`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from services.payments.rails.port import Answer, BatchHeader, Document, Rail
from services.payments.rails.tests.builders import header, instructions
from services.payments.reconciliation.ingest_document import digest_of, reader_of
from shared.testing.waiting import wait_for


@dataclass
class Counterpart:
    """A rail with its other side running.

    Attributes:
        paid: end-to-end id -> how often the other side has paid it, by its own books.
        lose: lets the answers to the next so many submissions get lost.
        silent: it hands over no documents.
    """

    rail: Rail
    paid: Callable[[], dict[str, int]]
    lose: Callable[[int], None]
    silent: bool = False

    async def documents(self, *batches: BatchHeader) -> list[Document]:
        """What it hands over now."""
        return [document async for document in self.rail.fetch(batches)]


class RailContract:
    """Inherit, with a fixture `other` that yields a Counterpart."""

    async def test_a_batch_handed_over_pays_each_instruction_once(self, other: Counterpart):
        members = instructions(3)
        batch = header(members)
        assert (await other.rail.submit(batch, members)).answer is Answer.ACCEPTED
        await wait_for(lambda: other.paid() == {i.end_to_end_id: 1 for i in members}, what="the other side to pay")

    async def test_the_same_batch_handed_over_again_pays_nobody_twice(self, other: Counterpart):
        members = instructions(3)
        batch = header(members)
        for _ in range(3):
            assert (await other.rail.submit(batch, members)).answer is Answer.ACCEPTED
        await wait_for(lambda: other.paid() == {i.end_to_end_id: 1 for i in members}, what="the other side to pay")

    async def test_a_lost_answer_is_an_unknown_outcome_and_is_settled_without_paying_twice(self, other: Counterpart):
        members = instructions(2)
        batch = header(members)
        other.lose(1)
        assert (await other.rail.submit(batch, members)).answer is Answer.UNKNOWN
        answer = (await other.rail.query(batch)).answer
        assert answer in (Answer.ACCEPTED, Answer.ABSENT)
        if answer is Answer.ABSENT:  # a bank is asked by the same message id
            assert (await other.rail.submit(batch, members)).answer is Answer.ACCEPTED
        await wait_for(lambda: other.paid() == {i.end_to_end_id: 1 for i in members}, what="the other side to pay")

    async def test_a_batch_never_sent_is_absent(self, other: Counterpart):
        members = instructions(1)
        assert (await other.rail.query(header(members))).answer is Answer.ABSENT

    async def test_the_documents_that_come_back_name_every_instruction(self, other: Counterpart):
        if other.silent:
            pytest.skip("the fake hands over what its test puts in")
        members = instructions(3)
        batch = header(members)
        submission = await other.rail.submit(batch, members)
        located = replace(batch, reference=submission.reference)
        await wait_for(lambda: len(other.paid()) == 3, what="the other side to pay")
        documents = await other.documents(located)
        told = {
            line.end_to_end_id: line.kind
            for document in documents
            for line in reader_of(document, digest_of(document)).lines()
        }
        assert set(told) == {i.end_to_end_id for i in members}
        # Not taken until acknowledged, then not handed over as new again.
        assert [document.body for document in await other.documents(located)] == [
            document.body for document in documents
        ]
        await other.rail.acknowledge(documents)
