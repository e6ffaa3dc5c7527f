"""Where the money comes from: allotments, what is reserved, what is still available."""
