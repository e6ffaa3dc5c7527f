"""Conditions: what facilities, schools and employers report of people, and what counts as met."""
