"""Single persons: what is known, where they belonged, and the numbers that name them."""
