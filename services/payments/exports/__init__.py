"""What the finance ministry takes with it: each payment with its fund and state, and the totals."""
