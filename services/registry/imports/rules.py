"""What makes a line of a household file bad: every code, with the message that tells the officer what to do.

Messages never repeat what was in the cell. Codes are stable: clients and manuals refer to them.
"""

from __future__ import annotations

from typing import Final

MAX_MEMBERS: Final = 60
"""Of one household: the bound of the event contract."""

COLUMNS: Final = (
    "household_ref",
    "village_code",
    "poverty_level",
    "card_number",
    "card_valid_from",
    "card_valid_until",
    "person_ref",
    "name_km",
    "name_en",
    "sex",
    "birth_date",
    "relationship",
    "national_id",
    "phone",
    "disability",
    "living_with_hiv",
    "pregnant",
)
"""Columns of the file: one line per person, the household's own cells repeated on each of its lines."""

RELATIONSHIPS: Final = frozenset({"head", "spouse", "child", "parent", "sibling", "grandchild", "other"})
DISABILITIES: Final = frozenset({"none", "mild", "medium", "severe"})

MESSAGES: Final = {
    # Read from the line itself.
    "column_count": f"The line must have {len(COLUMNS)} cells, as the header has.",
    "invalid_json": "The line must be one JSON object whose names are the columns.",
    "unknown_name": "The object has a name that is no column.",
    "repeated_name": "The object has the same name twice.",
    "invalid_cell": "A cell holds what is neither text, a whole number, a date nor true or false.",
    "formula_cell": "The cell begins like a formula: write the value itself.",
    "unclosed_quote": "A quotation mark is not closed on this line, or stands in the wrong place.",
    "required": "This cell must be filled.",
    "invalid_reference": "Use 1 to 32 letters, digits, '-', '_', '.' or '/'.",
    "invalid_village_code": "A village code has 8 digits (7 if the leading zero was lost).",
    "invalid_poverty_level": "Use 1 (very poor), 2 (poor), or leave it empty for a household without a card.",
    "invalid_card_number": "A card number has 4 to 32 letters, digits or dashes.",
    "card_without_level": "Card cells must be empty for a household without a poverty level.",
    "invalid_date": "Write the date as YYYY-MM-DD.",
    "invalid_birth_date": "Write the date as YYYY-MM-DD, YYYY-MM or YYYY.",
    "birth_date_in_future": "The birth date is later than today.",
    "birth_date_too_early": "The birth date is before 1900.",
    "card_ends_before_start": "The card's last day is before its first.",
    "name_required": "Give the name in Khmer, in Latin letters, or both.",
    "invalid_name": "A name begins with a letter, has at most 200 characters and no control characters.",
    "invalid_sex": "Use female or male.",
    "invalid_relationship": f"Use one of: {', '.join(sorted(RELATIONSHIPS))}.",
    "invalid_national_id": "The number does not have the form of a national identity number.",
    "invalid_phone": "The number does not have the form of a telephone number.",
    "invalid_disability": "Use none, mild, medium or severe.",
    "invalid_boolean": "Use true or false.",
    "head_too_young": "This person is too young to be the head of a household: is the relationship right?",
    "person_dead": "This person is recorded as dead.",
    "member_elsewhere": "This person is a member of another household: record a move, or compare the two.",
    "household_dissolved": "The household was merged into another or is no longer: send its present number.",
    "pregnant_male": "A male person cannot be recorded as pregnant.",
    # Of a change to one household.
    "date_in_future": "The day must not be later than today.",
    "at_risk_with_card": "A household with a card is not also recorded as at risk without one.",
    "not_a_member": "This person is not a present member of the household.",
    # Seen against the register and the rest of the file.
    "unknown_village": "There is no such village in the gazetteer.",
    "unclassified_village": "The village has no location class in force today: tell the registry office.",
    "outside_area": "The village is outside your area.",
    "household_cells_differ": "This cell differs from the first line of the same household.",
    "duplicate_person_ref": "Another line of the household has the same person_ref.",
    "no_head": "The household has no head.",
    "second_head": "The household has another head already.",
    "too_many_members": f"A household has at most {MAX_MEMBERS} members: divide it.",
    "duplicate_national_id": "Another line of the file has the same national identity number.",
    "registered_national_id": "The number is registered for another person.",
    "duplicate_card_number": "Another household of the file has the same card number.",
    "registered_card_number": "The card is registered for another household.",
    "neighbouring_line": "A bad line beside this household may be one of its members: correct that line first.",
}
"""Rejection code -> message."""
