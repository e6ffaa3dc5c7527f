"""What makes a change of a household wrong: codes, with the message that tells the officer what to do.

Messages never repeat personal data. Codes that a household file shares are worded in `imports.rules`.
"""

from __future__ import annotations

from typing import Final

from services.registry.imports.rules import MESSAGES as FILE_MESSAGES
from shared.errors import FieldError

OWN_MESSAGES: Final = {
    "head_too_young": "A head must be an adult: name another head, or tell the registry office.",
    "head_leaves": "The head leaves: say in the same change who is the head now.",
    "member_elsewhere": "The person is a present member of another household: move her from there.",
    "member_already": "The person is a present member of this household already.",
    "unknown_person": "There is no such person in your area.",
    "person_dead": "The person is recorded as dead: withdraw the death first if that is wrong.",
    "before_birth": "The day is before the person's birth.",
    "before_joining": "The day is before the person joined the household.",
    "household_dissolved": "The household is dissolved: register or choose another one.",
    "cause_required": "Say why: taking a card away needs a cause.",
    "unknown_cause": "Use one of the causes of the configuration.",
    "not_pregnant": "A delivery can be expected of a pregnant person only.",
    "unknown_employer": "There is no such employer.",
    "no_members": "A household without members cannot be changed: register it again.",
    "invalid_number": "The number does not have the form of its type.",
    "registered_identifier": "The number is registered for another person.",
    "invalid_washington_group": "Answer the six questions with 1 (no difficulty) to 4 (cannot do at all).",
    "household_number_taken": "The village has another household of this number.",
    "effective_on_required": "Say from which day a change in life holds.",
    "not_the_day": "A child is born on the day of its birth: leave the birth date out, or give the same day.",
    "already_born": "A member of the household was born on this day: say `twin` if this is another child.",
    "already_married": "A marriage of these two is recorded within a year of this day: withdraw it first if wrong.",
    "mother_male": "The person named as the mother is recorded as male.",
    "mother_elsewhere": "The mother lives in another household.",
    "not_expected_then": "A delivery is expected within ten months after the day.",
    "not_known_pregnant": "The person is not recorded as pregnant.",
    "same_household": "The person is in this household already: change the relationship instead.",
}
MESSAGES: Final = {**FILE_MESSAGES, **OWN_MESSAGES}
"""Code -> message."""


def problem(field: str, code: str) -> FieldError:
    """A field that is wrong, in words."""
    return FieldError(field, code, MESSAGES[code])
