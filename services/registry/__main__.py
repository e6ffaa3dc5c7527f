"""`python -m services.registry migrate | api | relay | consumer | worker | replay`."""

from services.registry.app import SERVICE
from shared.runner import main

if __name__ == "__main__":
    main(SERVICE)
