"""What happened to each payment, as told by the events of payments."""
