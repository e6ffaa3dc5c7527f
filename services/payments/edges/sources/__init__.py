"""Institutions that may ask us to pay, and what each is bound to."""
