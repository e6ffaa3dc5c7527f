"""Employers as organisations, and the workers they insure."""
