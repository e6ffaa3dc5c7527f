"""Reading this service's cursors."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from shared.errors import BadRequest
from shared.pagination import PageParams


def after_id(paging: PageParams) -> UUID | None:
    """The id after which the page begins; None on the first.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    key = paging.after()
    if key is None:
        return None
    try:
        return UUID(key["id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest("Use the next_cursor of the page before, as it is.") from error


def after_instant(paging: PageParams) -> tuple[datetime, UUID] | None:
    """The instant and id after which the page begins; None on the first.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    key = paging.after()
    if key is None:
        return None
    try:
        return datetime.fromisoformat(key["at"]), UUID(key["id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest("Use the next_cursor of the page before, as it is.") from error


def after_component(paging: PageParams) -> tuple[UUID, str] | None:
    """The beneficiary and component after which the page begins; None on the first.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    key = paging.after()
    if key is None:
        return None
    try:
        return UUID(key["id"]), str(key["component"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest("Use the next_cursor of the page before, as it is.") from error


def after_rank(paging: PageParams) -> tuple[int, UUID] | None:
    """The rank and id after which the page begins; None on the first.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    key = paging.after()
    if key is None:
        return None
    try:
        return int(key["rank"]), UUID(key["id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest("Use the next_cursor of the page before, as it is.") from error


def after_day(paging: PageParams) -> tuple[date, UUID] | None:
    """The day and id after which the page begins; None on the first.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    key = paging.after()
    if key is None:
        return None
    try:
        return date.fromisoformat(key["day"]), UUID(key["id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest("Use the next_cursor of the page before, as it is.") from error
