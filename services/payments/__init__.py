"""Payments: who was paid. Accounts, funds, payment lists, approval, rails, ledger and reconciliation."""
