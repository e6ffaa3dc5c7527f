"""Grievance: who was left out. Cases, their deadlines and receipts, and holds on single payments."""
