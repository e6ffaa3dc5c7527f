"""Use-case: the paper that tells a family what it will get, from whom, and when it can be collected."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts.model import NAME_CONTEXT, NUMBER_CONTEXT, masked
from services.payments.advice import repository
from services.payments.advice import words as say
from services.payments.advice.paper import Grid, Paper, Row
from services.payments.advice.programme_words import component_words, programme_name, words_of
from services.payments.advice.schemas import Advice, AdviceLine, WordsOut
from services.payments.advice.words import Words
from services.payments.errors import PaymentNotFound
from services.payments.fields import plain
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal
from shared.crypto import FieldCipher
from shared.ids import reference


async def make_advice(
    session: AsyncSession, principal: Principal, payment_id: UUID, cipher: FieldCipher, today: date
) -> Advice:
    """Collect it. The look is audited: the paper holds a name.

    Raises:
        PaymentNotFound: none such in the caller's area.
    """
    row = await payment_in_area(session, principal, payment_id)
    await audit.record(session, principal, "payment.advice", "payment", payment_id)
    texts = await words_of(session, row.programme_code, row.programme_version)
    holder, account = payee_of(row, cipher)
    return Advice(
        payment_id=row.id,
        reference=reference("PM", row.id),
        issued_on=today,
        beneficiary_reference=row.beneficiary_reference,
        village_code=row.village_code,
        holder_name=holder,
        account=account,
        programme_code=row.programme_code,
        programme=WordsOut.model_validate(programme_name(texts, row.programme_code)),
        period=row.period,
        collect_from=row.payment_window_from,
        collect_until=row.payment_window_until,
        status=row.status,
        status_words=WordsOut.model_validate(say.STATUSES[row.status]),
        lines=[_line(line, texts) for line in row.lines],
        amount=row.amount,
        currency=row.currency,
    )


async def payment_in_area(session: AsyncSession, principal: Principal, payment_id: UUID) -> Record:
    """The payment and its payee.

    Raises:
        PaymentNotFound: none such in the caller's area.
    """
    row = await repository.payment_with_payee(session, payment_id)
    if row is None or not principal.covers(row.village_code):
        raise PaymentNotFound("Look at the id again, or ask an officer of that area.")
    return row


def payee_of(row: Record, cipher: FieldCipher) -> tuple[str | None, str | None]:
    """The holder's name, and the account as people may see it; nothing before an account is chosen."""
    if row.number_encrypted is None:
        return None, None
    number = cipher.decrypt(bytes(row.number_encrypted), NUMBER_CONTEXT)
    return cipher.decrypt(bytes(row.holder_name_encrypted), NAME_CONTEXT), f"{row.provider} {masked(number)}"


def advice_paper(advice: Advice) -> Paper:
    """The advice as a paper."""
    rows = (
        Row(say.REFERENCE, advice.reference),
        Row(say.ISSUED_ON, advice.issued_on.isoformat()),
        Row(say.BENEFICIARY, advice.beneficiary_reference),
        Row(say.HOLDER, advice.holder_name or "—"),
        Row(say.ACCOUNT, advice.account or "—"),
        Row(say.VILLAGE, advice.village_code),
        Row(say.PROGRAMME, both(advice.programme)),
        Row(say.PERIOD, advice.period),
        Row(say.WINDOW, f"{advice.collect_from.isoformat()} – {advice.collect_until.isoformat()}"),
        Row(say.STATUS, both(advice.status_words)),
    )
    lines = [(both(line.words), str(line.quantity), grouped(line.rate), grouped(line.amount)) for line in advice.lines]
    total = (say.TOTAL.both, "", "", f"{grouped(advice.amount)} {advice.currency}")
    grid = Grid(
        columns=(say.COMPONENT, say.QUANTITY, say.RATE, say.AMOUNT),
        rows=(*lines, total),
        widths=(46, 14, 18, 22),
        right=frozenset({1, 2, 3}),
        total=True,
    )
    return Paper(say.TITLE_ADVICE, rows, grid, (say.NOTE_ADVICE, say.NOTE_COMPLAINT))


def both(words: WordsOut) -> str:
    """Khmer and English beside each other."""
    return Words(words.km, words.en).both


def grouped(amount: Decimal) -> str:
    """An exact amount with its thousands set apart: `592,000`, `10.50`."""
    whole, _, fraction = plain(abs(amount)).partition(".")
    text = f"{int(whole):,}" + (f".{fraction:0<2}" if fraction else "")
    return f"-{text}" if amount < 0 else text


def _line(line: Mapping[str, Any], texts: Mapping[str, Words]) -> AdviceLine:
    kind = line.get("kind", "benefit")
    words = component_words(texts, line["component"])
    if kind in say.KINDS:
        period = f" {line['for_period']}" if line.get("for_period") else ""
        more = say.KINDS[kind]
        words = Words(f"{words.km} · {more.km}{period}", f"{words.en} · {more.en}{period}")
    amount = Decimal(line["amount"])
    return AdviceLine(
        component=line["component"],
        words=WordsOut.model_validate(words),
        quantity=line["quantity"],
        rate=Decimal(line["rate"]),
        amount=-amount if kind == "recovery" else amount,
    )
