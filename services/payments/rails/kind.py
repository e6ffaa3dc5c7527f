"""What makes a rail known: one `RailKind` per rail, listed in `catalogue.KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.payments.rails.policy import RailPolicy
from services.payments.rails.port import Document, Rail
from services.payments.reconciliation.model import Reader

if TYPE_CHECKING:
    from services.payments.settings import PaymentsSettings

ReaderFactory = Callable[[Document, bytes], Reader]
"""Makes the reader of a document; the second argument is the document's hash (an id for bodies that have none)."""


@dataclass(frozen=True)
class RailKind:
    """A rail, before it is opened.

    Attributes:
        name: as in accounts, attempts and events; also in `names.RAIL_NAMES`.
        title: for people.
        one_provider: whether a batch goes to one provider (an operator, an agent network) or serves all (a bank file).
        policy: how it is used unless an officer decides otherwise.
        open: opens it for one process; yields None where it is not configured.
        readers: by `Document.media`: how its documents are read.
    """

    name: str
    title: str
    one_provider: bool
    policy: Callable[[PaymentsSettings], RailPolicy]
    open: Callable[[PaymentsSettings], AbstractAsyncContextManager[Rail | None]]
    readers: Mapping[str, ReaderFactory] = field(default_factory=dict)
