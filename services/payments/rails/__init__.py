"""Payment rails: batches of instructions handed to a bank (ISO 20022) or a mobile money operator (GSMA API)."""
