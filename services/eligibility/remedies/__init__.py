"""What grievance asks of eligibility: appeals against decisions, and remedies."""
