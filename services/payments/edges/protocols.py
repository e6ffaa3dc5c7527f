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
