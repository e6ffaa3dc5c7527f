"""Remedies that act: what a case asks another service to put right, and what that service answered."""
