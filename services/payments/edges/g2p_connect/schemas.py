"""G2P Connect messages. Field names are the specification's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.payments.edges.reading import without_null


def _written(value: object) -> object:
    if not isinstance(value, (str, datetime)):
        raise ValueError("a time stamp is written as ISO 8601")
    return value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time stamp has a time zone")
    return value


Moment = Annotated[datetime, BeforeValidator(_written), AfterValidator(_aware)]
_Txn = Annotated[str, Field(min_length=1, max_length=99, pattern=r"^[^\x00-\x1f]*$")]
_Ref = Annotated[str, Field(min_length=1, max_length=99, pattern=r"^[^\x00-\x1f]*$")]
_Fa = Annotated[str, Field(min_length=3, max_length=150)]
_Text = Annotated[str, Field(max_length=999)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_null(cls, data: Any) -> Any:
        return without_null(data)


class Header(_Model):
    """The header of a request."""

    version: Annotated[str, Field(max_length=20)] = "1.0.0"
    message_id: Annotated[str, Field(min_length=1, max_length=99)]
    message_ts: Moment
    action: Annotated[str, Field(max_length=40)]
    sender_id: Annotated[str, Field(min_length=1, max_length=120)]
    sender_uri: Annotated[str, Field(max_length=500)] = ""
    receiver_id: Annotated[str, Field(max_length=120)] = ""
    total_count: int = Field(ge=0, strict=True)
    is_msg_encrypted: bool = Field(default=False, strict=True)
    meta: dict[str, Any] | None = None


class Disbursement(_Model):
    """Pay this amount to this financial address."""

    reference_id: _Ref
    payer_fa: _Fa = Field(repr=False)
    payee_fa: _Fa = Field(repr=False)
    amount: Annotated[str, Field(max_length=40)]
    scheduled_timestamp: Moment | None = None
    payer_name: _Text = ""
    payee_name: _Text = Field(default="", repr=False)
    note: Annotated[str, Field(max_length=99)] = ""
    purpose: Annotated[str, Field(max_length=99)] = ""
    instruction: _Text = ""
    meta: dict[str, Any] | None = None
    currency_code: Annotated[str, Field(max_length=3)] = ""
    locale: Annotated[str, Field(max_length=3)] = ""


class DisburseRequest(_Model):
    """A batch. (The specification's list of required fields misspells `disbursements`.)"""

    transaction_id: _Txn
    disbursements: list[Disbursement] = Field(min_length=1, max_length=10_000)


class Attribute(BaseModel):
    """A name and a value of the sender's own. Read, and not kept."""

    name: Annotated[str, Field(max_length=99)]
    value: str | int | bool | dict[str, Any]


class _MapItem(_Model):
    reference_id: _Ref
    timestamp: Moment
    additional_info: list[Attribute] | None = Field(default=None, max_length=100)
    locale: Annotated[str, Field(max_length=3)] = ""


class LinkItem(_MapItem):
    """This id is paid at this address."""

    id: _Fa = Field(repr=False)
    fa: _Fa = Field(repr=False)
    name: Annotated[str, Field(max_length=140)] = Field(default="", repr=False)
    phone_number: Annotated[str, Field(max_length=40)] = Field(default="", repr=False)


class LinkRequest(_Model):
    """Addresses to be linked."""

    transaction_id: _Txn
    link_request: list[LinkItem] = Field(min_length=1, max_length=5_000)


class UpdateRequest(_Model):
    """Addresses to be changed."""

    transaction_id: _Txn
    update_request: list[LinkItem] = Field(min_length=1, max_length=5_000)


class UnlinkItem(_MapItem):
    """This id is no longer paid at this address."""

    id: _Fa = Field(repr=False)
    fa: Annotated[str, Field(max_length=150)] = Field(default="", repr=False)


class UnlinkRequest(_Model):
    """Addresses to be unlinked."""

    transaction_id: _Txn
    unlink_request: list[UnlinkItem] = Field(min_length=1, max_length=5_000)


class ResolveItem(_MapItem):
    """Is this address, or this id, one that can be paid?"""

    fa: Annotated[str, Field(max_length=150)] = Field(default="", repr=False)
    id: Annotated[str, Field(max_length=150)] = Field(default="", repr=False)
    name: Annotated[str, Field(max_length=140)] = Field(default="", repr=False)
    scope: Literal["yes_no", "details"] = "yes_no"


class ResolveRequest(_Model):
    """Addresses to be resolved."""

    transaction_id: _Txn
    resolve_request: list[ResolveItem] = Field(min_length=1, max_length=5_000)


class StatusItem(_Model):
    """Which transaction is asked about."""

    reference_id: _Ref
    txn_type: Literal["disburse"]
    attribute_type: Literal["transaction_id", "reference_id_list", "correlation_id"]
    attribute_value: _Txn | Annotated[list[_Ref], Field(min_length=1, max_length=1_000)]
    locale: Annotated[str, Field(max_length=3)] = ""


class StatusRequest(_Model):
    """What became of disbursements."""

    transaction_id: _Txn
    txnstatus_request: StatusItem
