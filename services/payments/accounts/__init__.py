"""Financial addresses of beneficiaries: encrypted at rest, found by keyed hash, every version kept."""
