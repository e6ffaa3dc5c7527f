"""Household files: received as a stream, checked as a set, loaded in resumable chunks."""
