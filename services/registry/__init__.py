"""Registry: who people are. Persons, households, places, and the import that brings them in."""
