"""The sanctions list: names as keyed hashes, compared with the names of account holders when a list is built."""
