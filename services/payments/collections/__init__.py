"""Contributions coming in: expected of an employer for a month, received, allocated, over- and under-paid, refunded."""
