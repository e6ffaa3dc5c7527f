"""Patterns: the same account, agent or official in many cases."""
