"""Enrolments: who takes part in a programme, and since when."""
