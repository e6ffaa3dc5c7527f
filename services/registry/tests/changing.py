"""Builders for tests that change single households."""

from __future__ import annotations

from typing import Any

import httpx

from services.registry.tests.building import VILLAGES, Registry

URL = "/registry/v1/households"


def member(ref: str = "1", **values: Any) -> dict[str, Any]:
    """A member as sent on registration; number 1 is the head."""
    head = {"person_ref": ref, "name_km": "សុខ", "name_en": "Sok Dara", "sex": "female", "birth_date": "1980-05-17"}
    return {**head, "relationship": "head" if ref == "1" else "child", **values}


def new(**values: Any) -> dict[str, Any]:
    """A household as sent on registration, with a card."""
    card = {"card_number": "CARD-1", "card_valid_from": "2020-01-01", "card_valid_until": "2023-01-01"}
    return {
        "village_code": VILLAGES[0],
        "household_ref": "H1",
        "poverty_level": 1,
        **card,
        "members": [member()],
        **values,
    }


async def registered(registry: Registry, **values: Any) -> dict[str, Any]:
    """A new household, as read back."""
    answer = await registry.http.post(URL, json=new(**values), headers=registry.officer())
    assert answer.status_code == 201, answer.text
    return await view(registry, answer.json()["id"])


async def view(registry: Registry, identifier: str, **query: str) -> dict[str, Any]:
    """The household as a commune officer reads it."""
    answer = await registry.http.get(f"{URL}/{identifier}", headers=registry.officer(), params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def patch(registry: Registry, household: dict[str, Any], **body: Any) -> httpx.Response:
    """Change the household as it was read."""
    headers = {**registry.officer(), "If-Match": f'"{household["version"]}"'}
    return await registry.http.patch(f"{URL}/{household['id']}", json=body, headers=headers)


def codes(answer: httpx.Response) -> set[tuple[str, str]]:
    """(field, code) of every error."""
    return {(error["field"], error["code"]) for error in answer.json().get("errors", ())}
