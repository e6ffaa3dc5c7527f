"""Decisions: the rule version, the facts and a reason per clause (law 7)."""
