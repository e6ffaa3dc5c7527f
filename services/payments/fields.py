"""Field types that schemas of several packages share."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field, PlainSerializer

from shared.errors import BadRequest
from shared.pagination import PageParams


def plain(amount: Decimal) -> str:
    """An exact amount without padding: `592000`, `10.5`."""
    return f"{amount.normalize():f}" if amount else "0"


AmountOut = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
"""An amount in an answer: an exact decimal string."""
AmountIn = Annotated[Decimal, Field(strict=False, gt=0, max_digits=18, decimal_places=2, allow_inf_nan=False)]
"""An amount in a request: above zero, at most 18 digits, as a string or a whole number."""
Code = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,39}$")]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


def after_id(paging: PageParams) -> UUID | None:
    """The id to go on after.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    key = paging.after()
    if key is None:
        return None
    try:
        return UUID(key["id"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None
