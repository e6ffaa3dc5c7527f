"""Left behind: eligible and not enrolled, enrolled and not paid, and what keeps the others out."""
