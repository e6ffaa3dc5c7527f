"""Problems of exports."""

from __future__ import annotations

from shared.errors import Invalid


class ExportUnlimited(Invalid):
    """Neither a cycle nor a period was named."""

    code, title = "export_unlimited", "Say what is to be exported"


class ExportTooLarge(Invalid):
    """More lines than a spreadsheet should hold."""

    code, title = "export_too_large", "This is too much for one spreadsheet"
