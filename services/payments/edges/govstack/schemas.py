"""GovStack messages. Field names are the specification's; both of its spellings are read where it has two."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.payments.edges.reading import without_null


def _name(*names: str) -> AliasChoices:
    return AliasChoices(*names)


def _amount(value: object) -> str:
    """An amount as exact text: a JSON number or a string; whether it is money is judged per instruction."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise ValueError("an amount is a number")
    return f"{value:f}" if isinstance(value, Decimal) and value.is_finite() else str(value)


RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{12}$")]
"""A RequestID has 12 characters (the YAML says "at most", the conformance suite "exactly")."""
BatchId = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f]*$")]
_Bb = Annotated[str, Field(max_length=12)]
_Line = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[^\x00-\x1f]*$")]
_Payee = Annotated[str, Field(min_length=1, max_length=20)]
_Amount = Annotated[str, BeforeValidator(_amount), Field(max_length=40)]
_Currency = Annotated[str, Field(min_length=3, max_length=3)]
_Narration = Annotated[str, Field(max_length=50)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_null(cls, data: Any) -> Any:
        return without_null(data)


class CreditInstruction(_Message):
    """Pay this payee."""

    instruction_id: _Line = Field(validation_alias=_name("InstructionID", "instructionID"))
    payee: _Payee = Field(validation_alias=_name("PayeeFunctionalID", "payeeFunctionalID"), repr=False)
    amount: _Amount = Field(validation_alias=_name("Amount", "amount"))
    currency: _Currency = Field(validation_alias=_name("Currency", "currency"))
    narration: _Narration = Field(default="", validation_alias=_name("Narration", "narration"))


class BulkPayment(_Message):
    """A batch of credit instructions; the same shape asks for their validation."""

    request_id: RequestId = Field(validation_alias=_name("RequestID", "requestID"))
    source_bb: _Bb = Field(validation_alias=_name("SourceBBID", "sourceBBID"))
    batch_id: BatchId = Field(validation_alias=_name("BatchID", "batchID"))
    instructions: list[CreditInstruction] = Field(
        min_length=1, max_length=10_000, validation_alias=_name("CreditInstructions", "creditInstructions")
    )


class Beneficiary(_Message):
    """A beneficiary and how she is paid."""

    payee: _Payee = Field(validation_alias=_name("PayeeFunctionalID", "payeeIdentity", "payeeFunctionalID"), repr=False)
    modality: Literal["", "00", "01", "02", "03", "04"] = Field(
        default="", validation_alias=_name("PaymentModality", "paymentModality")
    )
    address: Annotated[str, Field(max_length=34)] = Field(
        default="", validation_alias=_name("FinancialAddress", "financialAddress"), repr=False
    )
    institution: Annotated[str, Field(max_length=11)] = Field(
        default="", validation_alias=_name("BankingInstitutionCode", "bankingInstitutionCode")
    )
    status: Literal["0", "1"] | None = Field(default=None, validation_alias=_name("Status", "status"))


class Onboarding(_Message):
    """Beneficiaries to be registered or changed."""

    request_id: RequestId = Field(validation_alias=_name("RequestID", "requestID"))
    source_bb: _Bb = Field(default="", validation_alias=_name("SourceBBID", "sourceBBID"))
    beneficiaries: list[Beneficiary] = Field(
        min_length=1, max_length=5_000, validation_alias=_name("Beneficiaries", "beneficiaries")
    )


class Party(_Message):
    """A key and a value that name one side of a raw instruction."""

    key: Annotated[str, Field(max_length=40)]
    value: Annotated[str, Field(max_length=40)] = Field(repr=False)


class RawInstruction(_Message):
    """An instruction of `POST /batchtransactions?type=raw`."""

    request_id: _Line = Field(validation_alias="requestId")
    credit: list[Party] = Field(validation_alias="creditParty", max_length=10, repr=False)
    debit: list[Party] = Field(validation_alias="debitParty", max_length=10, repr=False)
    mode: Annotated[str, Field(max_length=20)] = Field(validation_alias="paymentMode")
    amount: _Amount
    currency: _Currency
    description: _Narration = Field(default="", validation_alias="descriptionText")


class RawBatch(_Message):
    """The array of `POST /batchtransactions`, under a name."""

    instructions: list[RawInstruction] = Field(min_length=1, max_length=10_000)


class AddressInstruction(_Message):
    """A financial address to be looked at, and what would be paid to it."""

    instruction_id: _Line = Field(validation_alias="instructionID")
    address: Annotated[str, Field(min_length=1, max_length=34)] = Field(validation_alias="financialAddress", repr=False)
    amount: _Amount | None = None
    currency: _Currency | None = None
    narration: _Narration = ""


class AddressValidation(_Message):
    """Financial addresses of one institution, to be validated."""

    batch_id: BatchId = Field(validation_alias="batchId")
    institution: Annotated[str, Field(min_length=1, max_length=11)] = Field(validation_alias="destinationDFSPID")
    instructions: list[AddressInstruction] = Field(
        min_length=1, max_length=10_000, validation_alias="creditInstructions"
    )


class VoucherInstruction(_Message):
    """A voucher to be made."""

    instruction_id: _Line = Field(validation_alias=_name("instructionID", "InstructionID"))
    group_code: Annotated[str, Field(max_length=3)] = Field(
        default="", validation_alias=_name("groupCode", "GroupCode")
    )
    currency: _Currency = Field(validation_alias=_name("currency", "Currency"))
    amount: _Amount = Field(validation_alias=_name("amount", "Amount"))
    payee: _Payee = Field(validation_alias=_name("payeeFunctionalID", "PayeeFunctionalID"), repr=False)
    narration: _Narration = Field(default="", validation_alias=_name("narration", "Narration"))


_VoucherBatchId = Annotated[str, Field(min_length=1, max_length=12)]


class VoucherPreactivation(_Message):
    """Vouchers to be made."""

    request_id: RequestId = Field(validation_alias=_name("requestID", "RequestID"))
    batch_id: _VoucherBatchId = Field(validation_alias=_name("batchID", "BatchID"))
    instructions: list[VoucherInstruction] = Field(
        min_length=1, max_length=5_000, validation_alias=_name("voucherInstructions", "VoucherInstructions")
    )


class VoucherName(_Message):
    """A voucher, by its serial number."""

    serial: Annotated[str, Field(min_length=1, max_length=20)] = Field(
        validation_alias=_name("serialNumber", "SerialNumber")
    )


class VoucherBatch(_Message):
    """Vouchers to be activated or cancelled."""

    request_id: RequestId = Field(validation_alias=_name("requestID", "RequestID"))
    batch_id: _VoucherBatchId = Field(validation_alias=_name("batchID", "BatchID"))
    instructions: list[VoucherName] = Field(
        min_length=1, max_length=10_000, validation_alias=_name("voucherInstructions", "VoucherInstructions")
    )


class VoucherRedemption(_Message):
    """An agent takes a voucher."""

    request_id: RequestId = Field(validation_alias=_name("requestID", "RequestID"))
    serial: Annotated[str, Field(min_length=1, max_length=20)] = Field(validation_alias="voucherSerialNumber")
    agent: Annotated[str, Field(min_length=1, max_length=10)] = Field(validation_alias="agentID")
    secret: Annotated[str, Field(min_length=1, max_length=6)] = Field(
        validation_alias="voucherSecretNumber", repr=False
    )
