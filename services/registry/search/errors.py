"""What can go wrong with a search.

Problem
├── NothingAsked 422 nothing_asked
└── NotAName 422 not_a_name
"""

from __future__ import annotations

from shared.errors import Invalid


class NothingAsked(Invalid):
    """No criterion was given."""

    code, title = "nothing_asked", "Say what to search by"


class NotAName(Invalid):
    """There is no word in it."""

    code, title = "not_a_name", "A name has at least one letter"
