"""Consent: for what, how far, recorded by whom, withdrawn when; refused without it where the purpose needs it."""
