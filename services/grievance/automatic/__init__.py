"""Cases by themselves: a payment that fails opens one, fails again into it, and closes it when the money arrives."""
