"""History: who changed what, when, why, and the value before; the register as it was on any day."""
