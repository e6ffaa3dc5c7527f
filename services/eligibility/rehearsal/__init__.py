"""Rehearsals: a version over the whole population without effect, and what it would cost."""
