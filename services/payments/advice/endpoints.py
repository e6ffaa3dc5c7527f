"""Printed papers over HTTP: each as JSON, and with `.pdf` as a paper."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import Path, Response

from services.payments.advice.errors import BeneficiaryNotFound, NotPaid, PaperUnavailable
from services.payments.advice.make_advice import advice_paper, make_advice
from services.payments.advice.paper import FontMissing, Paper
from services.payments.advice.prove_payment import check_proof, proof_paper, prove_payment
from services.payments.advice.schemas import Advice, Proof, ProofCheck, ProofCheckIn, YearlyStatement
from services.payments.advice.state_year import state_year, statement_paper
from services.payments.errors import PaymentNotFound
from shared.auth import Principal, requires
from shared.errors import responses
from shared.http import ClockDep, ContextDep, Router, SessionDep

PaperRead = Annotated[
    Principal, requires("payment_officer", "finance_officer", "grievance_officer", "commune_officer", "auditor")
]
Year = Annotated[int, Path(ge=2000, le=2100)]
PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}
router = Router(prefix="/payments/v1", tags=["papers"])


@router.get("/payments/{payment_id}/advice", responses=responses(PaymentNotFound))
async def read_advice(
    payment_id: UUID, principal: PaperRead, session: SessionDep, context: ContextDep, clock: ClockDep
) -> Advice:
    """What a family is told of a payment: components, account, and when it can be collected."""
    return await make_advice(session, principal, payment_id, context.resources.cipher, clock.today())


@router.get(
    "/payments/{payment_id}/advice.pdf",
    response_class=Response,
    responses=PDF | responses(PaymentNotFound, PaperUnavailable),
)
async def print_advice(
    payment_id: UUID, principal: PaperRead, session: SessionDep, context: ContextDep, clock: ClockDep
) -> Response:
    """The advice as a paper, in Khmer and English."""
    advice = await make_advice(session, principal, payment_id, context.resources.cipher, clock.today())
    return await _printed(advice_paper(advice), f"advice-{advice.reference}.pdf")


@router.get("/payments/{payment_id}/proof", responses=responses(PaymentNotFound, NotPaid))
async def read_proof(
    payment_id: UUID, principal: PaperRead, session: SessionDep, context: ContextDep, clock: ClockDep
) -> Proof:
    """Proof that a payment was made, by the rail's own word."""
    return await prove_payment(session, principal, payment_id, context.resources, clock.today())


@router.get(
    "/payments/{payment_id}/proof.pdf",
    response_class=Response,
    responses=PDF | responses(PaymentNotFound, NotPaid, PaperUnavailable),
)
async def print_proof(
    payment_id: UUID, principal: PaperRead, session: SessionDep, context: ContextDep, clock: ClockDep
) -> Response:
    """The proof as a paper, with a code that can be checked."""
    proof = await prove_payment(session, principal, payment_id, context.resources, clock.today())
    return await _printed(proof_paper(proof), f"proof-{proof.reference}.pdf")


@router.post("/proofs:check")
async def check_paper(body: ProofCheckIn, principal: PaperRead, session: SessionDep, context: ContextDep) -> ProofCheck:
    """Whether the code on a paper is genuine, for the payment as it stands now."""
    return await check_proof(session, principal, body.payment_id, body.check_code, context.resources.number_hash)


@router.get("/beneficiaries/{beneficiary_id}/statements/{year}", responses=responses(BeneficiaryNotFound))
async def read_statement(
    beneficiary_id: UUID, year: Year, principal: PaperRead, session: SessionDep, clock: ClockDep
) -> YearlyStatement:
    """All that was paid to a beneficiary in a year."""
    return await state_year(session, principal, beneficiary_id, year, clock.today())


@router.get(
    "/beneficiaries/{beneficiary_id}/statements/{year}/pdf",
    response_class=Response,
    responses=PDF | responses(BeneficiaryNotFound, PaperUnavailable),
)
async def print_statement(
    beneficiary_id: UUID, year: Year, principal: PaperRead, session: SessionDep, clock: ClockDep
) -> Response:
    """The yearly statement as a paper."""
    statement = await state_year(session, principal, beneficiary_id, year, clock.today())
    return await _printed(statement_paper(statement), f"statement-{statement.beneficiary_reference}-{year}.pdf")


async def _printed(paper: Paper, name: str) -> Response:
    """Rendered in a thread: it takes a fraction of a second of CPU.

    Raises:
        PaperUnavailable: the font is not installed here.
    """
    try:
        content = await anyio.to_thread.run_sync(_render, paper)
    except FontMissing:
        raise PaperUnavailable("Read it as JSON, and tell operations to install the font for Khmer.") from None
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/pdf", headers=headers)


def _render(paper: Paper) -> bytes:
    # fpdf2 and fontTools are large: no process loads them but one that prints.
    from services.payments.advice.document import render

    return render(paper)
