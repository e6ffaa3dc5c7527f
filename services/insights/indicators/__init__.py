"""Indicators: what a figure means, how it is computed and whether it was checked."""
