"""One month of cash transfer, from a household to a family's hand: what `make demo` runs on the whole platform."""

from deploy.local.demo.month import BANK_ARGUMENTS, Month, run

__all__ = ["BANK_ARGUMENTS", "Month", "run"]
