"""The proxy-means score of a household, explained question by question. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from services.registry.applications.configuration import Question, Questionnaire
from shared.errors import FieldError

Answer = str | int | Decimal


@dataclass(frozen=True, slots=True)
class Scored:
    """One question's part of the score."""

    question: str
    text: dict[str, str]
    answer: str
    points: Decimal


@dataclass(frozen=True, slots=True)
class Score:
    """The sum, the level it means where the household lives, and why."""

    questionnaire: str
    weights: str
    points: Decimal
    level: int | None
    cut_off_level_1: Decimal
    cut_off_level_2: Decimal
    questions: tuple[Scored, ...]


def score(
    questionnaire: Questionnaire, place_code: str, answers: Mapping[str, Answer]
) -> tuple[Score | None, list[FieldError]]:
    """The score, or everything that is wrong with the answers: each question must have one that it knows."""
    area = questionnaire.area_of(place_code)
    problems = [
        FieldError(f"answers.{code}", "unknown_question", "The questionnaire has no such question.")
        for code in sorted(set(answers) - {question.code for question in questionnaire.questions})
    ]
    scored = []
    for question in questionnaire.questions:
        points = _points(question, answers.get(question.code), area.weights)
        if isinstance(points, FieldError):
            problems.append(points)
        else:
            scored.append(Scored(question.code, question.text, str(answers[question.code]), points))
    if problems:
        return None, problems
    total = sum((item.points for item in scored), Decimal(0))
    cuts = area.cut_offs
    level = cuts.level_of(total)
    return Score(questionnaire.name, area.weights, total, level, cuts.level_1, cuts.level_2, tuple(scored)), []


def _points(question: Question, answer: Answer | None, weights: str) -> Decimal | FieldError:
    field = f"answers.{question.code}"
    if answer is None:
        return FieldError(field, "required", "Every question needs an answer.")
    if question.choices is not None:
        points = question.choices.get(str(answer))
        if points is None:
            return FieldError(field, "unknown_answer", f"Use one of: {', '.join(question.choices)}.")
        return points[weights]
    try:
        amount = Decimal(str(answer))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        return FieldError(field, "invalid_amount", "Give a number, zero or more.")
    held = [band for band in question.bands or () if band.start <= amount]
    if not held:
        return FieldError(field, "invalid_amount", "The number is below the first band.")
    return held[-1].points[weights]
