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

WASHINGTON_GROUP: Final = {
    f"wg_{question}": question
    for question in ("seeing", "hearing", "walking", "remembering", "self_care", "communicating")
}
"""Columns of the Washington Group's six questions -> the question."""
DEGREES: Final = frozenset("1234")
NUMBER_COLUMNS: Final = ("birth_certificate", "social_security", "disability_card")
"""Identity documents beside the national identity number."""
OPTIONAL_COLUMNS: Final = (
    *("household_kind", "poverty_score", "poverty_source", "poverty_cause", "card_issuer"),
    *("expected_delivery_on", "disability_card_valid_until", *WASHINGTON_GROUP),
    *("education_level", "school_code", "employment", "insured", "civil_servant"),
    *("national_id_issuer", "national_id_valid_from", "national_id_valid_until"),
    *("birth_certificate", "birth_certificate_issuer", "birth_certificate_valid_from", "birth_certificate_valid_until"),
    *("social_security", "social_security_issuer", "social_security_valid_from", "social_security_valid_until"),
    *("disability_card", "disability_card_issuer", "disability_card_valid_from"),
)
"""Columns that a file may have besides: see `optional_cells`."""

RELATIONSHIPS: Final = frozenset({"head", "spouse", "child", "parent", "sibling", "grandchild", "other"})
DISABILITIES: Final = frozenset({"none", "mild", "medium", "severe"})

MESSAGES: Final = {
    # Read from the line itself.
    "column_count": "The line must have as many cells as the header.",
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
    # Optional columns.
    "invalid_kind": "Use family, individual or institution.",
    "invalid_score": "A score has up to four digits and up to four decimals.",
    "invalid_code": "A code has small letters, digits and '_', and begins with a letter.",
    "invalid_issuer": "An issuer's name begins with a letter and has at most 100 characters.",
    "invalid_education_level": "Use none, pre_school, primary, lower_secondary, upper_secondary or higher.",
    "invalid_employment": "Use none, part_time or full_time.",
    "invalid_degree": "Use 1 (no difficulty), 2 (some), 3 (a lot) or 4 (cannot do it at all).",
    "invalid_number": "A number has 4 to 32 letters, digits, '/', '.' or '-'.",
    "number_missing": "This cell says something about a number that the line does not have.",
    "not_pregnant": "An expected date of delivery is for a pregnancy: say so in `pregnant`.",
    "ends_before_start": "The last day is before the first.",
    "duplicate_number": "Another line of the file has the same number.",
    "registered_number": "The number is registered for another person.",
    # Employers' files.
    "invalid_consent_means": "Use signed, thumbprint or electronic, or leave it empty where her consent is on record.",
    "consent_missing": "She has not consented to being linked with her employer: record it, or say how she did.",
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
    "known_elsewhere": "Somebody of this name and birth date, or telephone, lives elsewhere: look her up. If it is "
    "she, record a move; if not, send the line again with `newcomers=register`.",
    "neighbouring_line": "A bad line beside this household may be one of its members: correct that line first.",
}
"""Rejection code -> message."""
