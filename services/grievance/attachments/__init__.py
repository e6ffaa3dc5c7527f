"""Papers, photographs and recordings that belong to a case: checked, encrypted, never executed."""
