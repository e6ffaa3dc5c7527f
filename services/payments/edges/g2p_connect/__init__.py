"""G2P Connect disbursement and account mapper, as a thin edge."""
