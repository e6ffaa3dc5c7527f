"""Reversals: a settled payment is taken back by its rail, on the word of two officers."""
