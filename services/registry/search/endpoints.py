"""`POST /registry/v1/search`: a body, so that names and numbers stand in no URL and no access log."""

from __future__ import annotations

from services.registry.permissions import PersonSearch
from services.registry.search.errors import NotAName, NothingAsked
from services.registry.search.find_people import find_people
from services.registry.search.schemas import SearchRequest, SearchResult
from shared.errors import OutsideArea, responses
from shared.http import ContextDep, Router, SessionDep

router = Router(prefix="/registry/v1", tags=["search"])


@router.post("/search", responses=responses(OutsideArea, NothingAsked, NotAName))
async def search(
    request: SearchRequest, session: SessionDep, context: ContextDep, principal: PersonSearch
) -> SearchResult:
    """Find people of your area by any number, phone, household reference, or name in either script."""
    return await find_people(session, context.resources.sealer, principal, request)
