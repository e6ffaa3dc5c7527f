"""Insights: what it achieved. A read model built only from events; it publishes nothing."""
