"""What a family holds in its hand: payment advice, proof of payment, and a yearly statement, in Khmer and English."""
