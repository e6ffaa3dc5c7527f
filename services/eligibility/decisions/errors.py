"""Errors of decisions.

NotFound -> DecisionUnknown 404 decision_unknown
"""

from __future__ import annotations

from shared.errors import NotFound


class DecisionUnknown(NotFound):
    code, title = "decision_unknown", "There is no such decision"
