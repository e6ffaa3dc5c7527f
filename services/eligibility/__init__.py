"""Eligibility: who qualifies for what, how much, and why."""
