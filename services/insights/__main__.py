"""`python -m services.insights <role>`."""

from __future__ import annotations

from services.insights.app import SERVICE
from shared.runner import main

if __name__ == "__main__":
    main(SERVICE)
