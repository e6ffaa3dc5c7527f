"""What eligibility says of programmes: the words that explain decisions and components to families."""
