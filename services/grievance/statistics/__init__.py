"""Counts: of cases that are seen, as they are; of sealed ones only what cannot point at anybody."""
