"""FHIR R4 bundles read into reports: the parts of Encounter, Immunization, Procedure and Observation needed. Pure.

Sources: HL7 FHIR R4 (4.0.1), resources Bundle, Encounter, Immunization, Procedure, Observation. What a resource
means is decided by its codes alone, by the configuration of the kinds. One that cannot be read is reported with its
path; the others go on. A modifier extension changes the meaning of a resource in a way unknown here: it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from services.eligibility.conditions.kinds import ConditionKind
from services.eligibility.conditions.report import Refusal, Report
from shared.text import CODE, MESSAGE, unstorable

MAX_ENTRIES = 500
MAX_CODINGS = 20
_FINISHED = {
    "Encounter": {"finished"},
    "Immunization": {"completed"},
    "Procedure": {"completed"},
    "Observation": {"final", "amended", "corrected"},
}
_DATES = {
    "Encounter": ("period.start", "period"),
    "Immunization": ("occurrenceDateTime", ""),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "Observation": ("effectiveDateTime", "effectivePeriod"),
}
"""Where each resource says when: the instant, and the period that may stand in its place."""
_PERSON_SYSTEM = "urn:samaki:person"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?")


@dataclass(frozen=True)
class Place:
    """Where a bundle comes from."""

    facility_code: str
    place_code: str


@dataclass(frozen=True)
class Entry:
    """One entry of a bundle: the report in it, or why there is none. Neither: it says nothing that concerns us."""

    index: int
    report: Report | None = None
    refusal: Refusal | None = None


class FhirError(Exception):
    """The bundle, or one resource of it, cannot be read."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(field, code, message)


def read_bundle(document: Any, kinds: Mapping[str, ConditionKind], place: Place, local_time: tzinfo) -> list[Entry]:
    """The reports of a bundle, in the order of its entries.

    Args:
        document: parsed JSON of a Bundle of type transaction, batch or collection, at most 500 entries.
        kinds: as configured; their codes say what a resource means.
        place: who sends it.
        local_time: where dates are local to the programme: an instant is brought to it before its day is taken.

    Raises:
        FhirError: it is no such bundle.
    """
    resources = _resources(document)
    babies = _babies(resources, kinds, local_time)
    return [_entry(index, resource, kinds, place, local_time, babies) for index, resource in enumerate(resources)]


def _resources(document: Any) -> list[Any]:
    if not isinstance(document, Mapping) or document.get("resourceType") != "Bundle":
        raise FhirError("resourceType", "not_a_bundle", "Send a FHIR R4 Bundle.")
    if document.get("type") not in ("transaction", "batch", "collection"):
        raise FhirError("type", "bundle_type", "The type of the bundle is transaction, batch or collection.")
    entries = document.get("entry", [])
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_ENTRIES:
        raise FhirError("entry", "bundle_size", f"A bundle has 1 to {MAX_ENTRIES} entries.")
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("resource"), Mapping):
            raise FhirError(f"entry[{index}].resource", "resource_missing", "Each entry holds a resource.")
        request = entry.get("request")
        if request is not None and (not isinstance(request, Mapping) or request.get("method") not in ("POST", "PUT")):
            raise FhirError(f"entry[{index}].request.method", "method", "Reports are added: POST or PUT.")
    return [entry["resource"] for entry in entries]


def _entry(
    index: int,
    resource: Mapping[str, Any],
    kinds: Mapping[str, ConditionKind],
    place: Place,
    local_time: tzinfo,
    babies: Mapping[tuple[UUID, date], int],
) -> Entry:
    try:
        kind = _kind(resource, kinds)
        if kind is None:
            return Entry(index)
        if (place_of := next(unstorable(resource), None)) is not None:
            raise FhirError(".".join(map(str, place_of)), CODE, MESSAGE)
        return Entry(index, _report(resource, kind, place, local_time, babies))
    except FhirError as error:
        refusal = error.refusal
        return Entry(index, refusal=Refusal(f"entry[{index}].resource.{refusal.field}", refusal.code, refusal.message))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Entry(index, refusal=Refusal(f"entry[{index}].{where}", str(first["type"]), str(first["msg"])))


def _kind(resource: Mapping[str, Any], kinds: Mapping[str, ConditionKind]) -> ConditionKind | None:
    """The kind that a code of the resource stands for; None if none does."""
    name = resource.get("resourceType")
    codings = set(_codings(resource))
    for kind in kinds.values():
        if any(code.resource == name and (code.system, code.code) in codings for code in kind.codes):
            return kind
    return None


def _codings(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    field = {"Encounter": "type", "Immunization": "vaccineCode", "Procedure": "code", "Observation": "code"}.get(
        str(resource.get("resourceType"))
    )
    if field is None:
        return
    concepts = resource.get(field)
    for concept in (concepts if isinstance(concepts, list) else [concepts])[:MAX_CODINGS]:
        codings = concept.get("coding") if isinstance(concept, Mapping) else None
        for coding in codings[:MAX_CODINGS] if isinstance(codings, list) else ():
            if isinstance(coding, Mapping) and isinstance(coding.get("code"), str):
                yield str(coding.get("system", "")), coding["code"]


def _report(
    resource: Mapping[str, Any],
    kind: ConditionKind,
    place: Place,
    local_time: tzinfo,
    babies: Mapping[tuple[UUID, date], int],
) -> Report:
    _check_meaning(resource)
    person, day = _person(resource), _day(resource, local_time)
    return Report(
        kind=kind.code,
        person_id=person,
        occurred_on=day,
        value=_number(resource) if kind.value is not None else None,
        babies=babies.get((person, day), 1) if kind.counts_babies else None,
        facility_code=place.facility_code,
        place_code=place.place_code,
    )


def _check_meaning(resource: Mapping[str, Any]) -> None:
    name = str(resource.get("resourceType"))
    if "modifierExtension" in resource or "implicitRules" in resource:
        raise FhirError("modifierExtension", "modifier_unknown", "It changes the meaning in a way unknown here.")
    if str(resource.get("status")) not in _FINISHED[name]:
        raise FhirError("status", "not_finished", f"Send it once its status is: {', '.join(sorted(_FINISHED[name]))}.")


def _person(resource: Mapping[str, Any]) -> UUID:
    field = "patient" if resource.get("resourceType") == "Immunization" else "subject"
    subject = resource.get(field)
    if not isinstance(subject, Mapping):
        raise FhirError(field, "person_missing", "Say whom it is about.")
    identifier = subject.get("identifier")
    if isinstance(identifier, Mapping) and identifier.get("system") == _PERSON_SYSTEM:
        return _uuid(identifier.get("value"), f"{field}.identifier.value")
    reference = subject.get("reference")
    if isinstance(reference, str) and reference.startswith(("Patient/", "urn:uuid:")):
        return _uuid(reference.removeprefix("Patient/").removeprefix("urn:uuid:"), f"{field}.reference")
    raise FhirError(field, "person_missing", "Give her person id: Patient/<id>, urn:uuid:<id> or urn:samaki:person.")


def _uuid(value: Any, field: str) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise FhirError(field, "person_id_invalid", "A person id of the registry is a UUID.") from None


def _day(resource: Mapping[str, Any], local_time: tzinfo) -> date:
    """The local day on which it happened (of a period: began)."""
    name = str(resource["resourceType"])
    field, period = _DATES[name]
    value = resource.get(field) or _start(resource.get(period))
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise FhirError(field, "date_invalid", "Write the full date, 2023-08-01, or an instant with its zone.")
    try:
        if len(value) == len("2023-08-01"):
            return date.fromisoformat(value)
        return datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone(local_time).date()
    except (ValueError, OverflowError):
        raise FhirError(field, "date_invalid", "There is no such day or time.") from None


def _start(period: Any) -> Any:
    return period.get("start") if isinstance(period, Mapping) else None


def _number(resource: Mapping[str, Any]) -> int:
    """The whole number that an Observation measured."""
    quantity = resource.get("valueQuantity")
    value = resource.get("valueInteger", quantity.get("value") if isinstance(quantity, Mapping) else None)
    if isinstance(value, bool) or not isinstance(value, int):
        raise FhirError("valueInteger", "value_missing", "Give a whole number: valueInteger or valueQuantity.")
    return value


def _babies(
    resources: Sequence[Mapping[str, Any]], kinds: Mapping[str, ConditionKind], local_time: tzinfo
) -> dict[tuple[UUID, date], int]:
    """How many babies were born, by mother and day, from the observations of the bundle that tell so."""
    codes = {(k.babies_code.system, k.babies_code.code) for k in kinds.values() if k.babies_code is not None}
    found: dict[tuple[UUID, date], int] = {}
    for resource in resources:
        if resource.get("resourceType") == "Observation" and codes & set(_codings(resource)):
            try:
                _check_meaning(resource)
                found[_person(resource), _day(resource, local_time)] = _number(resource)
            except FhirError:
                continue  # the delivery that it belongs to is then reported with one baby, and can be corrected
    return found


"""Fixed zones by their hours from UTC."""
