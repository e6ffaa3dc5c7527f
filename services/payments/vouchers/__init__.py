"""Vouchers: a payment on the cash rail whose code the source hands over itself."""
