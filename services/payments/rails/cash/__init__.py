"""Cash through agents: a code by message, a window to collect in, and agents who are settled with."""
