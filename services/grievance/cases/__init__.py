"""What somebody complained about, who works on it, and until when."""
