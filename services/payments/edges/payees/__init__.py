"""The account mapper: whom a source calls what, and where they are paid."""
