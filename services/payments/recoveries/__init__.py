"""Overpayments to be recovered: a claim, kept back from later benefits up to a monthly cap, or paid back, or waived."""
