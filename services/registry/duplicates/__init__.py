"""Duplicates: found by comparing people, decided by officers, merged and, if that was wrong, taken apart again."""
