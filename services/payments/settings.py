"""Settings of payments: everything it needs to start, each named by an environment variable `SAMAKI_<FIELD>`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pydantic import Field, SecretStr

from shared.settings import Settings


class PaymentsSettings(Settings):
    """Keys, limits and the two rails' addresses. A missing required one fails at start, by name."""

    service: str = "payments"

    encryption_key: SecretStr = Field(description="AES-256 key, base64: account numbers and holder names at rest.")
    hash_key: SecretStr = Field(description="HMAC-SHA256 key, base64: finds an account number without reading it.")

    account_beneficiary_limit: int = Field(
        default=3, ge=1, description="An account number may serve at most this many beneficiaries."
    )
    account_cooling_off_hours: int = Field(
        default=72, ge=0, le=24 * 90, description="A changed account is paid to after so long, or once confirmed."
    )
    payment_ceilings: dict[str, Decimal] = Field(
        default={"KHR": Decimal(20_000_000), "USD": Decimal(5_000)},
        description="The most that one payment may be, by currency (JSON): more is left out, and may be split.",
    )
    second_approval_above: dict[str, Decimal] = Field(
        default={"KHR": Decimal(50_000_000_000), "USD": Decimal(12_500_000)},
        description="A list above this amount, by currency (JSON), needs a second approver.",
    )
    recovery_monthly_cap_percent: int = Field(
        default=20, ge=1, le=50, description="At most this share of a month's benefit is kept back for an over-payment."
    )
    expiry_grace_days: int = Field(
        default=3,
        ge=0,
        le=365,
        description="Days after its window in which a payment may still be told of as collected.",
    )
    collected_rails: list[str] = Field(
        default=["cash"], description="Rails whose payees come for the money (JSON): there it expires with its window."
    )
    sanctions_name_score: float = Field(
        default=0.88, ge=0.75, le=1, description="Names so alike (0 to 1) are a hit where a date of birth is not known."
    )
    sanctions_birth_agrees_score: float = Field(
        default=0.80, ge=0.75, le=1, description="Names so alike are a hit where the years of birth agree."
    )
    sanctions_birth_differs_score: float = Field(
        default=0.97, ge=0.75, le=1, description="Names so alike are a hit even where the years of birth differ."
    )
    sanctions_birth_years: int = Field(
        default=1, ge=0, le=10, description="Years of birth that are so far apart still agree."
    )
    account_import_max_bytes: int = Field(default=512 * 1024 * 1024, ge=1024, description="Largest account file.")
    chunk_size: int = Field(default=10_000, ge=1, le=100_000, description="Payments per transaction of a bulk job.")

    bank_url: str = Field(description="Base address of the bank's ISO 20022 endpoint.")
    bank_debtor_account: str = Field(description="IBAN of the account that payments leave from.")
    bank_debtor_bic: str = Field(description="BIC of the bank that holds it.")
    bank_debtor_name: str = Field(default="National Treasury", description="Name of the paying account's holder.")
    bank_payees_have_ibans: bool = Field(
        default=False, description="Whether an IBAN in a statement must be the payee's (Cambodia has no IBANs)."
    )
    bank_batch_size: int = Field(default=10_000, ge=1, le=100_000, description="Transactions in one pain.001 file.")

    bank_drop_directory: Path | None = Field(
        default=None, description="Exchange files with the bank in this directory (out, in) instead of over HTTP."
    )
    bank_signing_key: SecretStr | None = Field(
        default=None, description="Our Ed25519 private key, base64 of 32 bytes: signs files in the directory."
    )
    bank_verifying_key: str | None = Field(
        default=None, description="The bank's Ed25519 public key, base64 of 32 bytes: its files must be signed."
    )

    statement_senders: list[str] = Field(
        default=[],
        description="Subjects (JSON) of the integrations that may hand in a bank's files without its signature.",
    )

    mobile_money_url: str = Field(description="Base address of the operator's GSMA Mobile Money API.")
    mobile_money_callback_url: str = Field(description="Where the operator sends its callbacks (ours, public).")
    mobile_money_callback_secret: SecretStr = Field(description="Shared key that signs the operator's callbacks.")
    mobile_money_account: str = Field(default="samaki", description="Our own account at the operator: the debit party.")
    mobile_money_api_key: SecretStr | None = Field(
        default=None, description="Our key at the operator (X-API-Key), where it gives one."
    )
    mobile_money_client_id: str = Field(
        default="", description="Our name at the operator (X-Client-Id), if it wants one."
    )
    mobile_money_batch_size: int = Field(default=500, ge=1, le=10_000, description="Transactions in one batch.")

    rail_timeout_seconds: float = Field(default=10.0, gt=0, description="Give-up time of one call to a rail.")

    cash_message_url: str = Field(
        default="", description="Gateway that sends collection codes by message; empty: they wait, encrypted."
    )
    cash_message_token: SecretStr | None = Field(default=None, description="Bearer token of that gateway.")
