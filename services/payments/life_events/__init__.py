"""Who has died, and which households are no more: so that nobody is paid who cannot be."""
