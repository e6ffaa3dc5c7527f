"""The parts of the GSMA Mobile Money API 1.2 that disbursement uses, as pydantic models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_TRANSACTIONS = 10_000
"""Per batch. The API allows 999,999; this operator does not."""

Text256 = Annotated[str, Field(max_length=256)]


class Party(BaseModel):
    """One identifier of an account: `msisdn`, `accountid`, ..."""

    key: Annotated[str, Field(min_length=1, max_length=256)]
    value: Annotated[str, Field(min_length=1, max_length=256)]


Parties = Annotated[list[Party], Field(min_length=1, max_length=10)]


class RequestTransactionType(BaseModel):
    """Body of POST /transactions/type/{type}."""

    model_config = ConfigDict(extra="allow")

    amount: Annotated[str, Field(pattern=r"^([0]|([1-9][0-9]{0,17}))([.][0-9]{0,3}[1-9])?$", max_length=23)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    creditParty: Parties  # noqa: N815 the API's spelling
    debitParty: Parties | None = None  # noqa: N815
    requestingOrganisationTransactionReference: Text256 = ""  # noqa: N815


class RequestTransaction(RequestTransactionType):
    """A transaction inside a batch."""

    type: Annotated[str, Field(pattern="^disbursement$")]


class RequestBatchTransaction(BaseModel):
    """Body of POST /batchtransactions."""

    model_config = ConfigDict(extra="allow")

    transactions: Annotated[list[RequestTransaction], Field(min_length=1, max_length=MAX_TRANSACTIONS)]
    batchTitle: Text256 = ""  # noqa: N815


class RequestReversal(BaseModel):
    """Body of POST /transactions/{transactionReference}/reversals."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(pattern="^(reversal|adjustment)$")]
    requestingOrganisationTransactionReference: Text256 = ""  # noqa: N815


def error_object(category: str, code: str, description: str = "") -> dict[str, Any]:
    """An errorObject."""
    moment = datetime.now(UTC).isoformat()
    return {"errorCategory": category, "errorCode": code, "errordescription": description, "errorDateTime": moment}


CATEGORIES = {"identifierError": "identification"}
"""The category of an error code, where it is not businessRule."""
