"""`python -m services.payments migrate | api | relay | consumer | worker | replay`."""

from services.payments.app import SERVICE
from shared.runner import main

if __name__ == "__main__":
    main(SERVICE)
