"""The protocols that orders come by, and how each tells its source what became of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.payments.edges.g2p_connect import words as g2p_connect
from services.payments.edges.govstack import words as govstack
from services.payments.edges.orders.model import LineReport
from services.payments.edges.sources.model import Source
from shared.service import Context

ReportBuilder = Callable[[Context, Source, Any, Sequence[LineReport], datetime], bytes]
BUILDERS: Final[Mapping[str, ReportBuilder]] = {
    govstack.PROTOCOL: govstack.report_body,
    g2p_connect.PROTOCOL: g2p_connect.report_body,
}
ADDRESSES: Final[Mapping[str, Callable[[Any], str]]] = {govstack.PROTOCOL: govstack.report_address}
"""Where an order's report goes, if not just to the address that was given for it."""
ENVELOPES: Final[Mapping[str, Callable[[Context, bytes, datetime], bytes]]] = {
    g2p_connect.PROTOCOL: g2p_connect.signed_now,
}
"""What is done to a callback's body at each try: a signature that was made an hour ago would be refused."""
