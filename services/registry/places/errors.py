"""What can go wrong with places.

Problem
├── PlaceNotFound 404 place_not_found
├── NotAVillage 422 not_a_village
├── UnknownLocationClass 422 unknown_location_class
├── BadCodeChange 422 bad_code_change
└── PlaceWasSplit 409 place_was_split
"""

from __future__ import annotations

from shared.errors import Conflict, Invalid, NotFound


class PlaceNotFound(NotFound):
    """No place has this code."""

    code, title = "place_not_found", "There is no such place"


class NotAVillage(Invalid):
    """Only villages have a location class."""

    code, title = "not_a_village", "A location class belongs to a village"


class UnknownLocationClass(Invalid):
    """Not one of the country's classes."""

    code, title = "unknown_location_class", "There is no such location class"


class PlaceWasSplit(Conflict):
    """The code became several places: somebody must choose."""

    code, title = "place_was_split", "This place was split"


class BadCodeChange(Invalid):
    """The change of codes cannot be."""

    code, title = "bad_code_change", "The codes cannot change in this way"
