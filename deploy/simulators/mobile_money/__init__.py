"""A mobile money operator that behaves by the GSMA Mobile Money API 1.2 (disbursements), and misbehaves on request."""
