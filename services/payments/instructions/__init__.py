"""Payments and their attempts: what was sent to a rail, and what became of it."""
