"""The optional columns of a household file, as an import reads them. Pure."""

from __future__ import annotations

from typing import Any

from services.registry.imports.rules import NUMBER_COLUMNS, OPTIONAL_COLUMNS, WASHINGTON_GROUP
from services.registry.sealing import Sealer


def optional_cells(row: Any, sealer: Sealer) -> list[str]:
    """Cells of OPTIONAL_COLUMNS; the household's own stand on the line of its head."""
    head = row.relationship == "head"
    answers, papers = row.washington_group or {}, row.papers or {}
    told: dict[str, Any] = {column: answers.get(question) for column, question in WASHINGTON_GROUP.items()}
    for kind in NUMBER_COLUMNS:
        paper = papers.get(kind, {})
        told[kind] = sealer.open(bytes.fromhex(paper["cipher"]), kind) if paper else None
        told |= {f"{kind}_{name}": paper.get(name) for name in ("issuer", "valid_from", "valid_until")}
    own = {name: getattr(row, name) if head else None for name in OPTIONAL_COLUMNS[:5]}
    told |= own | {"disability_card_valid_until": row.disability_card_valid_until}
    return [_text(told[name] if name in told else getattr(row, name)) for name in OPTIONAL_COLUMNS]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
