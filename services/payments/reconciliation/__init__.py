"""Reconciliation: what the rails say, line by line, against what was sent."""
