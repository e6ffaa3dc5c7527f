"""What eligibility knows of households: a dated projection of registry.households."""
