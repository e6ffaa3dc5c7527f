"""Use-case: proof that a payment was made, and the check that a paper with such a proof was not made up."""

from __future__ import annotations

import base64
import hmac
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.advice import repository
from services.payments.advice import words as say
from services.payments.advice.errors import NotPaid
from services.payments.advice.make_advice import both, grouped, payee_of, payment_in_area
from services.payments.advice.paper import Paper, Row
from services.payments.advice.programme_words import programme_name, words_of
from services.payments.advice.schemas import Proof, ProofCheck, WordsOut
from services.payments.fields import plain
from services.payments.metadata import Record
from services.payments.resources import Resources
from shared import audit
from shared.auth import Principal
from shared.crypto import KeyedHash
from shared.ids import reference

SETTLED: Final = "settled"
CODE_BYTES: Final = 10
"""80 bits: 16 characters of base32, too many to guess."""


async def prove_payment(
    session: AsyncSession, principal: Principal, payment_id: UUID, resources: Resources, today: date
) -> Proof:
    """The proof. The look is audited: the paper holds a name.

    Raises:
        PaymentNotFound: none such in the caller's area.
        NotPaid: it is not settled (or was, and came back).
    """
    row = await payment_in_area(session, principal, payment_id)
    told = await repository.settlement_of(session, row.attempt_id) if row.status == SETTLED else None
    if told is None:
        raise NotPaid(f"It stands at {row.status}: a proof can be given once it is settled.", status_now=row.status)
    await audit.record(session, principal, "payment.proof", "payment", payment_id)
    texts = await words_of(session, row.programme_code, row.programme_version)
    holder, account = payee_of(row, resources.cipher)
    return Proof(
        payment_id=row.id,
        reference=reference("PM", row.id),
        issued_on=today,
        beneficiary_reference=row.beneficiary_reference,
        holder_name=holder,
        account=account,
        programme_code=row.programme_code,
        programme=WordsOut.model_validate(programme_name(texts, row.programme_code)),
        period=row.period,
        amount=row.amount,
        currency=row.currency,
        paid_on=row.outcome_on,
        rail=row.rail,
        confirmed_by=told.source,
        confirmation_reference=told.source_reference,
        end_to_end_id=row.end_to_end_id,
        check_code=_code(row, resources.number_hash),
    )


async def check_proof(
    session: AsyncSession, principal: Principal, payment_id: UUID, check_code: str, keyed: KeyedHash
) -> ProofCheck:
    """Whether a paper's code is the one of the payment as it stands: a paper of money that came back since fails too.

    A wrong code, an unknown payment and one outside the caller's area get the same answer.
    """
    row = await repository.payment_with_payee(session, payment_id)
    genuine = (
        row is not None
        and principal.covers(row.village_code)
        and row.status == SETTLED
        and hmac.compare_digest(_code(row, keyed), check_code.replace("-", "").replace(" ", "").upper())
    )
    await audit.record(session, principal, "payment.proof_checked", "payment", payment_id, {"genuine": genuine})
    if not genuine or row is None:
        return ProofCheck(genuine=False)
    return ProofCheck(genuine=True, amount=row.amount, currency=row.currency, paid_on=row.outcome_on)


def proof_paper(proof: Proof) -> Paper:
    """The proof as a paper."""
    code = proof.check_code
    rows = (
        Row(say.REFERENCE, proof.reference),
        Row(say.ISSUED_ON, proof.issued_on.isoformat()),
        Row(say.BENEFICIARY, proof.beneficiary_reference),
        Row(say.HOLDER, proof.holder_name or "—"),
        Row(say.ACCOUNT, proof.account or "—"),
        Row(say.PROGRAMME, both(proof.programme)),
        Row(say.PERIOD, proof.period),
        Row(say.AMOUNT, f"{grouped(proof.amount)} {proof.currency}"),
        Row(say.PAID_ON, proof.paid_on.isoformat()),
        Row(say.BANK_REFERENCE, f"{proof.confirmed_by} {proof.confirmation_reference} · {proof.end_to_end_id}"),
        Row(say.CHECK_CODE, "-".join(code[start : start + 4] for start in range(0, len(code), 4))),
    )
    return Paper(say.TITLE_PROOF, rows, None, (say.NOTE_PROOF, say.NOTE_COMPLAINT))


def _code(row: Record, keyed: KeyedHash) -> str:
    """Over what the paper says: another amount, day or attempt has another code."""
    amount: Decimal = row.amount
    said = "|".join((str(row.id), plain(amount), row.currency, row.outcome_on.isoformat(), str(row.attempt_id)))
    return base64.b32encode(keyed.digest(said, "payment.proof")[:CODE_BYTES]).decode()
