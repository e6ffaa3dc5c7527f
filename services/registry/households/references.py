"""New household ids with a reference that nobody has: the short reference may collide once a register is national."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.imports.copy_columns import new_ids
from shared.ids import reference

PREFIX: Final = "HH"
_TAKEN: Final = text("SELECT reference FROM household WHERE reference = ANY (CAST(:references AS text[]))")


async def mint_households(session: AsyncSession, count: int) -> list[tuple[UUID, str]]:
    """This many new (id, reference), none of them in the register."""
    minted: dict[str, UUID] = {}
    while len(minted) < count:
        ids = [UUID(bytes=value) for value in new_ids(count - len(minted)).to_pylist()]
        fresh = {reference(PREFIX, identifier): identifier for identifier in ids}
        taken = set(await session.scalars(_TAKEN, {"references": list(fresh)}))
        minted |= {name: identifier for name, identifier in fresh.items() if name not in taken and name not in minted}
    return [(identifier, name) for name, identifier in sorted(minted.items(), key=lambda item: item[1])]
