"""`python -m services.eligibility api | relay | consumer | worker | migrate | replay`."""

from services.eligibility.app import SERVICE
from shared.runner import main

if __name__ == "__main__":
    main(SERVICE)
