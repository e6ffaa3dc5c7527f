"""Bodies of the life-event endpoints."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr, StringConstraints, model_validator

from services.registry.households.changes import Body, PersonFacts, PersonRef, Relationship, VillageCode

Kind = Literal["birth", "death", "marriage", "move", "pregnancy", "pregnancy_ended"]
Cause = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]


class _Event(Body):
    occurred_on: date = Field(description="When it happened, never later than today.")
    reason: str = Field(default="", max_length=200, description="In words, without personal data.")


class Birth(_Event):
    """A child was born into its mother's household, or into the one named. Twins are two events."""

    kind: Literal["birth"]
    mother_person_id: UUID | None = None
    household_id: UUID | None = None
    relationship: Relationship | None = Field(default=None, description="To the head; default by the mother's.")
    twin: bool = Field(default=False, description="Another child of the household was born on the same day.")
    child: PersonFacts = Field(description="Its birth date is the event's day and need not be given.")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.mother_person_id is None and self.household_id is None:
            raise ValueError("name the mother or the household")
        return self


class Death(_Event):
    """A person died."""

    kind: Literal["death"]
    person_id: UUID


class Marriage(_Event):
    """A person marries and joins the household of the other."""

    kind: Literal["marriage"]
    person_id: UUID
    spouse_person_id: UUID
    relationship: Relationship | None = Field(default=None, description="To the head; default by the spouse's.")


class NewPlace(Body):
    """A household that is founded by the move."""

    village_code: VillageCode
    household_ref: PersonRef


class Move(_Event):
    """A person moves to a household that is there or new, or abroad; or the whole household moves to a village."""

    kind: Literal["move"]
    person_id: UUID = Field(description="Who moves; of a whole household: any member.")
    to_household_id: UUID | None = None
    relationship: Relationship | None = Field(default=None, description="To the head there.")
    to_new_household: NewPlace | None = None
    household_to_village: NewPlace | None = Field(
        default=None, description="The whole household, with its number there."
    )
    abroad: bool = False

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        targets = (self.to_household_id, self.to_new_household, self.household_to_village, self.abroad or None)
        if sum(target is not None for target in targets) != 1:
            raise ValueError("say where to, in one way")
        return self


class Pregnancy(_Event):
    """A woman is pregnant. `occurred_on`: when it was found."""

    kind: Literal["pregnancy"]
    person_id: UUID
    expected_delivery_on: date | None = None


class PregnancyEnded(_Event):
    """A pregnancy ended without a birth to record here."""

    kind: Literal["pregnancy_ended"]
    person_id: UUID


Event = Annotated[Birth | Death | Marriage | Move | Pregnancy | PregnancyEnded, Field(discriminator="kind")]


class LifeEventView(BaseModel):
    """A life event, as recorded."""

    id: UUID
    kind: Kind
    person_id: UUID
    household_id: UUID
    occurred_on: date
    source: str
    feed: str | None
    recorded_by: str
    recorded_at: datetime
    withdrawn_at: datetime | None
    withdrawn_cause: str | None
    version: int


class Recorded(BaseModel):
    """What was recorded: one event for each person it happened to."""

    ids: list[UUID]
    household_id: UUID
    household_version: int
    person_id: UUID


class Withdrawal(Body):
    """Why it did not happen."""

    cause: Cause


class FeedDocument(Body):
    """An identity document by which the feed names a person."""

    type: Literal["national_id", "birth_certificate", "social_security"]
    number: SecretStr


class FeedEvent(Body):
    """One line of a civil-registration feed. Persons are named by their documents."""

    feed_id: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:/-]+$")]
    kind: Literal["birth", "death", "marriage"]
    occurred_on: date
    person: FeedDocument | None = Field(default=None, description="Of a death or marriage.")
    mother: FeedDocument | None = Field(default=None, description="Of a birth.")
    spouse: FeedDocument | None = Field(default=None, description="Of a marriage: whose household they live in.")
    child: PersonFacts | None = Field(default=None, description="Of a birth.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed: dict[str, tuple[Any, ...]] = {
            "birth": (self.mother, self.child),
            "death": (self.person,),
            "marriage": (self.person, self.spouse),
        }
        if any(part is None for part in needed[self.kind]):
            raise ValueError("the line lacks a person")
        return self


class FeedAccepted(BaseModel):
    """The lines are staged and their work is queued."""

    batch_id: UUID
    job_id: UUID
    lines: int


class FeedLineView(BaseModel):
    """What became of a line."""

    line: int
    feed_id: str
    state: Literal["waiting", "applied", "refused"]
    field: str
    code: str
    life_event_id: UUID | None
