"""Use-case: all that was paid to a beneficiary in a year."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.advice import repository
from services.payments.advice import words as say
from services.payments.advice.errors import BeneficiaryNotFound
from services.payments.advice.make_advice import both, grouped
from services.payments.advice.paper import Grid, Paper, Row
from services.payments.advice.programme_words import component_words, programme_name, words_of
from services.payments.advice.schemas import CurrencyTotal, StatementLine, WordsOut, YearlyStatement
from services.payments.advice.words import Words
from shared import audit
from shared.auth import Principal
from shared.ids import reference


async def state_year(
    session: AsyncSession, principal: Principal, beneficiary_id: UUID, year: int, today: date
) -> YearlyStatement:
    """The statement: settled payments by the day they were paid; what came back since is not in it.

    Raises:
        BeneficiaryNotFound: payments knows none such in the caller's area.
    """
    home = await repository.home_of(session, beneficiary_id)
    rows = await repository.paid_between(session, beneficiary_id, date(year, 1, 1), date(year, 12, 31))
    known = home if home is not None else (rows[-1] if rows else None)
    if known is None or not principal.covers(known.village_code):
        raise BeneficiaryNotFound("Look at the id again, or ask an officer of that area.")
    await audit.record(session, principal, "beneficiary.statement", "beneficiary", beneficiary_id, {"year": year})
    words: dict[tuple[str, int], Mapping[str, Words]] = {}
    for code, version in sorted({(row.programme_code, row.programme_version) for row in rows}):
        words[code, version] = await words_of(session, code, version)
    return YearlyStatement(
        beneficiary_id=beneficiary_id,
        beneficiary_reference=known.beneficiary_reference,
        village_code=known.village_code,
        year=year,
        issued_on=today,
        lines=[_line(row, words[row.programme_code, row.programme_version]) for row in rows],
        totals=_totals(rows),
    )


def statement_paper(statement: YearlyStatement) -> Paper:
    """The statement as a paper."""
    rows = (
        Row(say.BENEFICIARY, statement.beneficiary_reference),
        Row(say.VILLAGE, statement.village_code),
        Row(say.YEAR, str(statement.year)),
        Row(say.ISSUED_ON, statement.issued_on.isoformat()),
        *(Row(say.TOTAL, f"{grouped(total.amount)} {total.currency}") for total in statement.totals),
    )
    lines = tuple(
        (
            line.paid_on.isoformat(),
            f"{both(line.programme)}\n{both(line.words)}",
            line.period,
            f"{grouped(line.amount)} {line.currency}",
        )
        for line in statement.lines
    )
    grid = Grid((say.PAID_ON, say.PROGRAMME, say.PERIOD, say.AMOUNT), lines, (18, 46, 16, 20), frozenset({3}))
    return Paper(say.TITLE_STATEMENT, rows, grid, (say.NOTE_STATEMENT, say.NOTE_COMPLAINT))


def _line(row: Any, texts: Mapping[str, Words]) -> StatementLine:
    return StatementLine(
        payment_id=row.id,
        reference=reference("PM", row.id),
        paid_on=row.paid_on,
        programme_code=row.programme_code,
        programme=WordsOut.model_validate(programme_name(texts, row.programme_code)),
        period=row.period,
        component=row.component,
        words=WordsOut.model_validate(component_words(texts, row.component)),
        amount=row.amount,
        currency=row.currency,
    )


def _totals(rows: list[Any]) -> list[CurrencyTotal]:
    sums: dict[str, tuple[int, Decimal]] = {}
    for row in rows:
        count, amount = sums.get(row.currency, (0, Decimal(0)))
        sums[row.currency] = (count + 1, amount + row.amount)
    return [CurrencyTotal(currency=code, count=count, amount=amount) for code, (count, amount) in sorted(sums.items())]
