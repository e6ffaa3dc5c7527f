"""Programmes: the officer's file, its versions, and their validity."""
