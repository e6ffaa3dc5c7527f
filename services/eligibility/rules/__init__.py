"""Rules and formulas in CEL: parsed once, typed, compiled to SQL for a population, interpreted for one household."""
