"""Household files out: made by a job, sealed at rest, limited by area and consent, gone after a while."""
