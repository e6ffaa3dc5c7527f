"""One payment kept back, with a reason, an owner and an end (fault 24)."""
