"""How the operator misbehaves: per wallet by its number, per batch by what the control endpoint has armed.

A wallet's last six digits decide (any other wallet is paid):

    990001  the wallet is unknown              rejected, identifierError
    990002  the wallet is closed               rejected, incorrectState
    990003  a limit is exceeded                rejected, dailyValueLimitExceeded
    990004  paid, but another amount           completed with one unit less
    990005  never decided                      neither completed nor rejected (a partial batch)
    990006  contradicts itself                 completed, then a signed transaction callback says failed
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Wallet(StrEnum):
    """What happens to a payment to a wallet."""

    PAID = "paid"
    UNKNOWN = "identifierError"
    CLOSED = "incorrectState"
    LIMIT = "dailyValueLimitExceeded"
    WRONG_AMOUNT = "wrong_amount"
    UNDECIDED = "undecided"
    CONTRADICTORY = "contradictory"


_BY_SUFFIX = {
    "990001": Wallet.UNKNOWN,
    "990002": Wallet.CLOSED,
    "990003": Wallet.LIMIT,
    "990004": Wallet.WRONG_AMOUNT,
    "990005": Wallet.UNDECIDED,
    "990006": Wallet.CONTRADICTORY,
}
REJECTING = frozenset({Wallet.UNKNOWN, Wallet.CLOSED, Wallet.LIMIT})


def wallet(msisdn: str) -> Wallet:
    """What happens to a payment to this number."""
    return _BY_SUFFIX.get(msisdn[-6:], Wallet.PAID)


class Behaviour(BaseModel):
    """What the control endpoint sets. `stall` and `fail` count down: they concern the next so many submissions."""

    model_config = ConfigDict(extra="forbid")

    stall: int = Field(default=0, ge=0, description="Accept, then answer only after `stall_seconds`.")
    stall_seconds: float = Field(default=30.0, ge=0, le=600)
    fail: int = Field(default=0, ge=0, description="Answer 503 without accepting.")
    maintenance: bool = Field(default=False, description="A maintenance window: every call is answered 503.")
    partial: int = Field(default=0, ge=0, description="Decide only so many transactions of each batch; 0: all.")
    decide: bool = Field(default=True, description="False: accepted batches wait for POST /_control/decide.")
    callbacks: Literal["off", "batch", "transaction"] = Field(default="batch", description="Which callbacks are sent.")
    callback_delay_ms: int = Field(default=0, ge=0, le=600_000, description="Later than the decision by this much.")
    callback_copies: int = Field(default=1, ge=1, le=10, description="Each callback is sent so many times.")
    page_limit: int = Field(default=0, ge=0, description="Rows a page has at most, whatever was asked; 0: as asked.")
    reversals: Literal["complete", "refuse", "fail"] = Field(
        default="complete", description="Done; refused at once; or taken and failed a moment later."
    )
    callback_first: bool = Field(default=False, description="Send the callback before the answer to the request.")
    forge: bool = Field(default=False, description="Before each genuine callback send one with a wrong signature.")
    echo_amounts: bool = Field(default=True, description="Put amount and currency in completions' customData.")
    holder_name: str = Field(
        default="", max_length=140, description="Whose every wallet is; empty: names are not told."
    )
