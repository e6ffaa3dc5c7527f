"""The payment list of a closed cycle: built, checked line by line, submitted, approved by hash, disbursed."""
