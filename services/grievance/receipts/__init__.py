"""How a complainant without an account finds her case again."""
