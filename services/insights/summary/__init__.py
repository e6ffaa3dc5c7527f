"""The summary: counts and sums with their units, checked against control totals."""
