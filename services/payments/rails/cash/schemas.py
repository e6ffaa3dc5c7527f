"""Cash on the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.fields import AmountIn, AmountOut, Code, CurrencyCode
from services.payments.rails.cash.model import IdentityMethod

_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
_Reason = Annotated[str, Field(min_length=3, max_length=500)]


class IdentityCheck(BaseModel):
    """How the agent identified the person: the result, not the document."""

    model_config = ConfigDict(extra="forbid")

    method: IdentityMethod
    matches: bool


class RedemptionIn(BaseModel):
    """The agent hands out the money now."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(pattern=r"^[0-9]{6,8}$", description="As the payee received it.")
    amount: AmountIn
    currency: CurrencyCode
    agent_reference: _Id = Field(description="Your own id of this redemption: sent again, it is the same one.")
    identity_check: IdentityCheck
    collected_by: Literal["payee", "proxy"] = "payee"
    proxy_id_number: str = Field(default="", max_length=40, description="Identity number that a proxy showed.")


class Receipt(BaseModel):
    """Proof of a redemption."""

    model_config = ConfigDict(from_attributes=True)

    receipt: str
    reference: str
    payment_reference: str = Field(validation_alias="end_to_end_id", description="Name it in your statement.")
    amount: AmountOut
    currency: str
    collected_by: str
    collected_at: datetime = Field(validation_alias="ended_at")


class CollectionOut(BaseModel):
    """A collection as officers see it: no code, no number."""

    model_config = ConfigDict(from_attributes=True)

    reference: str
    payment_id: UUID | None
    provider: str
    village_code: str
    amount: AmountOut
    currency: str
    state: str
    tries: int
    codes: int
    window_until: date
    opened_at: datetime
    ended_at: datetime | None
    agent_code: str | None
    receipt: str | None
    collected_by: str


class WithReason(BaseModel):
    """A reason, for the record."""

    model_config = ConfigDict(extra="forbid")

    reason: _Reason


class AgentChange(BaseModel):
    """What of an agent can change."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=140)
    credit_limit: Annotated[
        Decimal, Field(strict=False, ge=0, max_digits=18, decimal_places=2, allow_inf_nan=False)
    ] = Field(description="How much she may be owed before she is settled with.")
    active: bool = True


class AgentIn(AgentChange):
    """An agent to register."""

    code: _Id
    provider: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,35}$")] = Field(description="Her network.")
    subject: str = Field(min_length=1, max_length=140, description="`sub` of her token.")
    currency: CurrencyCode


class AgentOut(BaseModel):
    """An agent, what she paid out, what she was given, what she is owed (below zero: float she holds)."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    provider: str
    subject: str
    name: str
    currency: str
    credit_limit: AmountOut
    paid: AmountOut
    settled: AmountOut
    owed: AmountOut
    wrong_codes: int
    active: bool
    version: int


class SettlementIn(BaseModel):
    """Money transferred to an agent: for what she paid out, or as float beforehand."""

    model_config = ConfigDict(extra="forbid")

    reference: _Id = Field(description="The transfer's reference: recorded once.")
    amount: AmountIn
    currency: CurrencyCode
    on: date
    fund_code: Code = Field(description="The fund it was paid from.")


class ProxyIn(BaseModel):
    """Who may collect for a payee."""

    model_config = ConfigDict(extra="forbid")

    beneficiary_id: UUID
    name: str = Field(min_length=2, max_length=140)
    id_number: str = Field(min_length=4, max_length=40, description="Identity number that the proxy will show.")
    reason: _Reason
    valid_from: date
    valid_until: date


class ProxyOut(BaseModel):
    """A proxy, without name and number."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    beneficiary_id: UUID
    reason: str
    valid_from: date
    valid_until: date
    state: str
    requested_by: str
    decided_by: str | None
    decision_reason: str
    version: int


class StatementOut(BaseModel):
    """An agent's statement, compared."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    agent_code: str
    from_date: date
    until_date: date
    lines: int
    matched: int
    missing: int


class StatementLineOut(BaseModel):
    """A difference."""

    model_config = ConfigDict(from_attributes=True)

    statement_id: UUID
    line: int
    on_date: date | None
    payment_reference: str
    agent_reference: str
    amount: AmountOut | None
    currency: str
    verdict: str
    resolution: str
    resolved_by: str | None


class Resolution(BaseModel):
    """What a difference was."""

    model_config = ConfigDict(extra="forbid")

    resolution: _Reason


class MessageTotals(BaseModel):
    """Messages with codes, by state: `waiting` grows where no gateway is configured."""

    waiting: int = 0
    sent: int = 0
    given_up: int = 0
    replaced: int = 0
