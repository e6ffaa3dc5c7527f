"""Changes applied to a household, pure: the same input gives the same household, or names everything wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from services.registry.households.changes import (
    AddPerson,
    Change,
    ChangePerson,
    MoveIn,
    RemoveMember,
    SetHousehold,
    SetPoverty,
)
from services.registry.households.person_editing import PersonEditor
from services.registry.households.rules import problem
from services.registry.households.state import Edited, GivenNumber, HouseholdState, Leaving, Member, Rules
from services.registry.imports.parse_rows import CARD_PATTERN
from services.registry.imports.rules import MAX_MEMBERS
from services.registry.sealing import EQUITY_CARD

DAY: Final = timedelta(days=1)


def edit(state: HouseholdState, changes: Sequence[tuple[str, Change]], rules: Rules) -> Edited:
    """Apply the changes in order, then hold the household to its rules.

    Args:
        changes: each with the path under which the client knows it: where errors are reported.

    Returns:
        What it becomes; with `problems`, nothing of it may be written.
    """
    editor = _Editor(state, rules)
    for path, change in changes:
        editor.apply(path, change)
    editor.check_whole(state)
    return editor.edited


class _Editor:
    def __init__(self, state: HouseholdState, rules: Rules) -> None:
        self._rules = rules
        self.edited = Edited(state)
        self._people = PersonEditor(rules, self.edited)
        self._emptied: dict[str, Any] | None = None
        if state.facts["dissolved_on"] is not None:
            self._refuse("", "household_dissolved")
        if rules.effective_on > rules.today:
            self._refuse("effective_on", "date_in_future")

    def _refuse(self, path: str, code: str) -> None:
        self.edited.problems.append(problem(path, code))

    def apply(self, path: str, change: Change) -> None:
        match change:
            case SetHousehold():
                self._set_household(path, change)
            case SetPoverty():
                self._set_poverty(path, change)
            case AddPerson():
                self._add_person(path, change)
            case MoveIn():
                self._move_in(path, change)
            case RemoveMember():
                self._remove(path, change)
            case ChangePerson():
                self._change_person(path, change)

    # --- the household itself ---------------------------------------------------------------------------------------

    def _set(self, **facts: Any) -> None:
        state = self.edited.state
        self.edited.state = replace(state, facts={**state.facts, **facts})

    def _set_household(self, path: str, change: SetHousehold) -> None:
        given = {name: getattr(change, name) for name in ("village_code", "household_ref", "at_risk", "kind")}
        facts: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if change.village_code is not None and change.village_code not in self._rules.villages:
            self._refuse(_at(path, "village_code"), "unknown_village")
        if change.shocks is not None:
            facts["shocks"] = [shock.model_dump(mode="json") for shock in change.shocks]
            if any(shock.occurred_on > self._rules.today for shock in change.shocks):
                self._refuse(_at(path, "shocks"), "date_in_future")
        if "representative_person_id" in change.model_fields_set:
            facts["representative_person_id"] = change.representative_person_id
        if change.at_risk and self.edited.state.facts["poverty_level"] is not None:
            self._refuse(_at(path, "at_risk"), "at_risk_with_card")
        self._set(**facts)

    def _set_poverty(self, path: str, change: SetPoverty) -> None:
        if change.level is None:
            self._take_card(path, change)
            return
        starts, ends = change.card_valid_from, change.card_valid_until
        for name, value in (("card_valid_from", starts), ("card_valid_until", ends)):
            if value is None:
                self._refuse(_at(path, name), "required")
        if starts and ends and ends < starts:
            self._refuse(_at(path, "card_valid_until"), "card_ends_before_start")
        if change.card_number is not None:
            number = change.card_number.get_secret_value().replace(" ", "")
            if not CARD_PATTERN.fullmatch(number):
                self._refuse(_at(path, "card_number"), "invalid_card_number")
            card = GivenNumber(self.edited.state.id, EQUITY_CARD, change.card_number, _at(path, "card_number"))
            self.edited.numbers.append(replace(card, valid_from=starts, valid_until=ends))
        elif not self._rules.has_card:
            self._refuse(_at(path, "card_number"), "required")
        self._set(
            poverty_level=change.level,
            card_valid_from=starts,
            card_valid_until=ends,
            at_risk=False,
            **self._basis(change),
        )

    def _basis(self, change: SetPoverty) -> dict[str, Any]:
        given = change.model_fields_set
        return {f"poverty_{name}": getattr(change, name) for name in ("score", "source", "cause") if name in given}

    def _take_card(self, path: str, change: SetPoverty) -> None:
        causes = self._rules.delisting_causes
        if causes and change.cause is None:
            self._refuse(_at(path, "cause"), "cause_required")
        elif causes and change.cause not in causes:
            self._refuse(_at(path, "cause"), "unknown_cause")
        self.edited.numbers.append(GivenNumber(self.edited.state.id, EQUITY_CARD, None, path))
        self._set(poverty_level=None, card_valid_from=None, card_valid_until=None, **self._basis(change))

    # --- members ----------------------------------------------------------------------------------------------------

    def _put(self, member: Member) -> None:
        state = self.edited.state
        self.edited.state = replace(state, members={**state.members, member.person_id: member})

    def _join_day(self) -> date:
        """A forgotten member was there as long as the others; a new one comes on the day."""
        since = [member.since for member in self.edited.state.members.values()]
        return min([*since, self._rules.effective_on]) if self._rules.corrects else self._rules.effective_on

    def _add_person(self, path: str, change: AddPerson) -> None:
        person_id = change.person_id or self._rules.new_id()
        facts = self._people.new(_at(path, "facts") if path else "facts", person_id, change.facts)
        since = self._join_day()
        born = facts.get("birth_date")
        if born is not None and born > since:
            if not self._rules.corrects and facts.get("birth_date_precision") == "day":
                self._refuse(path, "before_birth")
            since = born
        self.edited.added.append(person_id)
        ref = change.person_ref or self._free_ref()
        self._put(Member(person_id, ref, change.relationship, since, facts))

    def _free_ref(self) -> str:
        taken = {member.person_ref for member in self.edited.state.members.values()}
        number = len(taken) + 1
        while str(number) in taken:
            number += 1
        return str(number)

    def _move_in(self, path: str, change: MoveIn) -> None:
        where = _at(path, "person_id")
        known = self._rules.people.get(change.person_id)
        if change.person_id in self.edited.state.members:
            self._refuse(where, "member_already")
        elif known is None or known.facts.get("merged_into") is not None:
            self._refuse(where, "unknown_person")
        elif not known.facts["alive"]:
            self._refuse(where, "person_dead")
        elif known.household_id is not None and not known.may_move:
            self._refuse(where, "member_elsewhere")
        else:
            since = max(self._join_day(), known.facts["birth_date"])
            if known.last_left is not None:
                since = max(since, known.last_left + DAY)
            self.edited.moved_in[change.person_id] = known.household_id
            ref = change.person_ref or self._free_ref()
            self._put(Member(change.person_id, ref, change.relationship, since, known.facts))

    def _remove(self, path: str, change: RemoveMember) -> None:
        state = self.edited.state
        member = state.members.get(change.person_id)
        if member is None:
            self._refuse(_at(path, "person_id"), "not_a_member")
            return
        on = self._rules.effective_on
        void = change.cause == "error"
        died = change.cause == "died"
        last = member.since if void else on if died else on - DAY
        if not void and on < member.since:
            self._refuse(_at(path, "person_id"), "before_joining")
            return
        if died:
            self.edited.departed[change.person_id] = {**member.facts, **_dead(on)}
        self.edited.left.append(Leaving(change.person_id, max(last, member.since), void))
        left = {key: value for key, value in state.members.items() if key != change.person_id}
        representative = state.facts["representative_person_id"]
        facts = dict(state.facts)
        if representative == change.person_id:
            facts["representative_person_id"] = None
        causes = {"died": "deceased", "left": "split", "emigrated": "emigrated", "error": "error"}
        self._emptied = {"dissolved_on": on, "dissolved_cause": causes[change.cause], "head_person_id": None}
        self.edited.state = replace(state, members=left, facts=facts)

    def _change_person(self, path: str, change: ChangePerson) -> None:
        member = self.edited.state.members.get(change.person_id)
        if member is None:
            self._refuse(_at(path, "person_id"), "not_a_member")
            return
        facts = self._people.change(path, change.person_id, member.facts, change.facts)
        self._put(replace(member, facts=facts, relationship=change.relationship or member.relationship))

    # --- the whole --------------------------------------------------------------------------------------------------

    def check_whole(self, before: HouseholdState) -> None:
        """One head, grown up; not too many; a number each; the representative is one of them or a known person."""
        if self._emptied is not None and not self.edited.state.members:  # after all changes: somebody may have come
            self._set(**self._emptied)
        state = self.edited.state
        if state.facts["dissolved_on"] is not None:
            return
        members = state.members.values()
        heads = [member for member in members if member.relationship == "head"]
        if len(heads) != 1:
            gone = before.facts["head_person_id"] not in state.members and not heads and before.members
            self._refuse("members", "second_head" if heads else "head_leaves" if gone else "no_head")
        else:
            self._check_head(before, heads[0])
            self._set(head_person_id=heads[0].person_id)
        if len(state.members) > MAX_MEMBERS:
            self._refuse("members", "too_many_members")
        if len({member.person_ref for member in members}) < len(state.members):
            self._refuse("members", "duplicate_person_ref")
        representative, was = (of.facts["representative_person_id"] for of in (state, before))
        if representative not in {None, was, *state.members, *self._rules.people}:  # one already named stays
            self._refuse("representative_person_id", "unknown_person")

    def _check_head(self, before: HouseholdState, head: Member) -> None:
        was = before.members.get(head.person_id)
        born = head.facts.get("birth_date")
        unchanged = was is not None and was.relationship == "head" and was.facts["birth_date"] == born
        if born is None or unchanged:
            return
        if age_on(born, self._rules.today) < self._rules.head_min_age:
            self._refuse("members", "head_too_young")


def _dead(on: date) -> Mapping[str, Any]:
    return {"alive": False, "died_on": on, "pregnant": False, "expected_delivery_on": None}


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def age_on(born: date, on: date) -> int:
    """Whole years lived on a day."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def successor(state: HouseholdState, leaving: UUID, today: date, min_age: int) -> UUID | None:
    """Who is head when the head is gone: the spouse, else the eldest adult, else the eldest. None: nobody is left."""
    others = [member for member in state.members.values() if member.person_id != leaving]
    if not others:
        return None

    def rank(member: Member) -> tuple[bool, bool, date, str]:
        adult = age_on(member.facts["birth_date"], today) >= min_age
        return (not adult, member.relationship != "spouse", member.facts["birth_date"], str(member.person_id))

    return min(others, key=rank).person_id
