"""The platform kit: mechanism that every service uses, written once. No domain nouns, except in `contracts`."""
