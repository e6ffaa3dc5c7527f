"""Cursor pagination: stable under writes, the same cost on page 1 and page 10,000."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Depends, Query
from pydantic import BaseModel

from shared.errors import BadRequest

T = TypeVar("T")
R = TypeVar("R")
MAX_LIMIT = 500


class Page(BaseModel, Generic[T]):
    """One page of a list. `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


class PageParams:
    """Which page is asked for. Fetch `fetch` rows after `after()`, then `page(rows, key)`."""

    def __init__(self, limit: int, cursor: str | None) -> None:
        self.limit = limit
        self._cursor = cursor

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than shown, to know whether there are more."""
        return self.limit + 1

    def after(self) -> dict[str, Any] | None:
        """The key of the last row seen, as given to `page`; None on the first page.

        Raises:
            BadRequest: the cursor is not one of ours.
        """
        if self._cursor is None:
            return None
        try:
            key = orjson.loads(base64.urlsafe_b64decode(self._cursor.encode()))
        except (binascii.Error, ValueError, orjson.JSONDecodeError):
            key = None
        if not isinstance(key, dict):
            raise BadRequest("Use the next_cursor of the page before, as it is.")
        return key

    def cut(self, rows: Sequence[R], key: Callable[[R], dict[str, Any]]) -> tuple[Sequence[R], str | None]:
        """The rows of this page and the cursor of the next one."""
        if len(rows) <= self.limit:
            return rows, None
        kept = rows[: self.limit]
        return kept, base64.urlsafe_b64encode(orjson.dumps(key(kept[-1]))).decode()

    def page(self, rows: Sequence[R], key: Callable[[R], dict[str, Any]]) -> Page[R]:
        """A page of these rows. `key` names the values that order the list, e.g. `{"id": row.id}`."""
        kept, cursor = self.cut(rows, key)
        return Page[Any](items=list(kept), next_cursor=cursor)


async def _params(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows per page.")] = 50,
    cursor: Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")] = None,
) -> PageParams:
    return PageParams(limit, cursor)


Paging = Annotated[PageParams, Depends(_params)]
