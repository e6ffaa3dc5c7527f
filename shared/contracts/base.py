"""What every event payload is: a frozen model that names its CloudEvents type, its topic and its key.

Rules for whoever adds one (checked by `python -m shared.contracts`, which CI runs):

* additive changes only; anything else is a new version: a new class with `.v2` in its TYPE;
* ids and the facts that rules need, never a name, an identity number, a phone or an account number (law 8);
* money as `Amount` (an exact decimal, written as a string) with its currency; dates are ISO 8601.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

Amount = Annotated[
    Decimal,
    Field(max_digits=18, decimal_places=2, description="An exact amount of money, written as a decimal string."),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d{1,18}(\.\d{1,2})?$"}, mode="serialization"),
]
"""Money on the wire: exact, at most 18 digits. KHR amounts have no decimals."""

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code.")]
PlaceCode = Annotated[
    str,
    Field(
        pattern=r"^(\d{2}){1,4}$",
        description="Place code, two digits a level: province, district, commune, village.",
    ),
]
LocationClass = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*$", description="Dated class of the village, e.g. `rural`: it drives money."),
]


class EventPayload(BaseModel):
    """Base of every event payload.

    Class variables:
        TYPE: CloudEvents type, `samaki.<service>.<aggregate>.<past tense>.v<N>`.
        TOPIC: the Kafka topic it is published on.
        KEY: the payload field that is the aggregate's id: Kafka key and CloudEvents subject.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_timedelta="iso8601")

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    KEY: ClassVar[str]

    version: int = Field(ge=1, description="Version of the aggregate after this change. Older ones are ignored.")

    @property
    def key(self) -> str:
        """The aggregate's id, as text."""
        return str(getattr(self, self.KEY))


class ControlTotal(BaseModel):
    """Count and sum that travel with a batch and are checked on arrival (law 6, fault 8)."""

    model_config = ConfigDict(frozen=True)

    component: str = Field(description="Payable component of the programme.")
    province_code: PlaceCode
    count: int = Field(ge=0)
    amount: Amount


__all__ = [
    "Amount",
    "ControlTotal",
    "Currency",
    "EventPayload",
    "LocationClass",
    "PlaceCode",
]
