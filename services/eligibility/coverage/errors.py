"""Errors of the entitlement check.

Invalid  -> ReferenceInvalid 422 reference_invalid
         -> AskForOne        422 ask_for_one
NotFound -> CardUnknown      404 card_unknown
         -> NothingCovered   404 programme_covers_nothing
"""

from __future__ import annotations

from shared.errors import Invalid, NotFound


class ReferenceInvalid(Invalid):
    code, title = "reference_invalid", "This is no household reference"


class AskForOne(Invalid):
    code, title = "ask_for_one", "Name one household or person"


class CardUnknown(NotFound):
    code, title = "card_unknown", "No such card is known"


class NothingCovered(NotFound):
    code, title = "programme_covers_nothing", "This programme is no entitlement to services"
