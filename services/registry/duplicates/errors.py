"""What can go wrong when duplicates are decided, merged or taken apart.

Problem
├── CandidateNotFound 404 duplicate_not_found     ├── OwnRecord 403 own_record
├── RunNotFound 404 duplicate_run_not_found       ├── CannotMerge 409 (its code says why)
├── MergeNotFound 404 merge_not_found             └── CannotUndo 409 (its code says why)
└── AlreadyDecided 409 already_decided
"""

from __future__ import annotations

from typing import Final

from shared.errors import Conflict, Forbidden, NotFound


class CandidateNotFound(NotFound):
    """No such pair, or one side lies outside the caller's area."""

    code, title = "duplicate_not_found", "There is no such pair"


class RunNotFound(NotFound):
    """No such run."""

    code, title = "duplicate_run_not_found", "There is no such run"


class MergeNotFound(NotFound):
    """No such merge, or not of the caller's area."""

    code, title = "merge_not_found", "There is no such merge"


class AlreadyDecided(Conflict):
    """The pair was decided: a decision of `same` is undone by undoing its merge."""

    code, title = "already_decided", "This pair is decided"


class OwnRecord(Forbidden):
    """Nobody decides about herself or her household."""

    code, title = "own_record", "This is your own record"


MERGE_FAULTS: Final = {
    "same_record": "Give two different records.",
    "unknown_record": "One of the two is not in the register.",
    "already_retired": "One of the two was merged into another before: use the record that survives.",
    "one_has_died": "One of the two is recorded as dead: record the other's death first, or decide that they are two.",
    "household_dissolved": "One of the two households is no longer.",
    "head_of_others": "The record to be retired heads a household with other members: merge the two households, "
    "or name another head first.",
    "not_a_member": "Each pair of people must be a present member of the household that ends and one of the other.",
    "too_many_members": "The household would have more members than one can have.",
}
"""Code -> what to do."""

UNDO_FAULTS: Final = {
    "already_undone": "It was undone before.",
    "part_of_household_merge": "It came with the merge of two households: undo that one.",
    "undo_newer_first": "The surviving record was merged into another since: undo that merge first.",
    "changed_since_merge": "Memberships that the merge wrote were changed since: correct the households by hand.",
}


class CannotMerge(Conflict):
    """The two cannot become one as asked; `code` is of MERGE_FAULTS."""

    code, title = "cannot_merge", "These records cannot be merged like this"

    def __init__(self, code: str) -> None:
        super().__init__(MERGE_FAULTS[code])
        self.code = code  # type: ignore[misc]


class CannotUndo(Conflict):
    """The merge cannot be taken back as it is; `code` is of UNDO_FAULTS."""

    code, title = "cannot_undo", "This merge cannot be undone like this"

    def __init__(self, code: str) -> None:
        super().__init__(UNDO_FAULTS[code])
        self.code = code  # type: ignore[misc]
