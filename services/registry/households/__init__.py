"""Households, their members over time, and the identifiers that find them."""
