"""Double-entry books: immutable, balanced by the database, idempotent by reference."""
