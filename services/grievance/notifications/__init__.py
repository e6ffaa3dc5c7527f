"""The complainant is told at each step: an outbox of messages, templates in her language, and a sender to plug in."""
