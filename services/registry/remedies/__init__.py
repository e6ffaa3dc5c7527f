"""Remedies: what a grievance asks the registry to put right, and the answer."""
