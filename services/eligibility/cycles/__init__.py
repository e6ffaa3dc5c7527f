"""Cycles: one month of a programme: computed, checked, closed with control totals."""
