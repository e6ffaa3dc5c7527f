"""Appeals: a decision is looked at again, by people who did not make it."""
