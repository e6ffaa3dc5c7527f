"""What can go wrong with places.

Problem
├── PlaceNotFound 404 place_not_found
├── NotAVillage 422 not_a_village
└── UnknownLocationClass 422 unknown_location_class
"""

from __future__ import annotations

from shared.errors import Invalid, NotFound


class PlaceNotFound(NotFound):
    """No place has this code."""

    code, title = "place_not_found", "There is no such place"


class NotAVillage(Invalid):
    """Only villages have a location class."""

    code, title = "not_a_village", "A location class belongs to a village"


class UnknownLocationClass(Invalid):
    """Not one of the country's classes."""

    code, title = "unknown_location_class", "There is no such location class"
