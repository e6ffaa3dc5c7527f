"""Remedies that grievance asks of payments: a payment to be issued again. Answered once each."""
