"""`python -m services.grievance <role>`."""

from __future__ import annotations

from services.grievance.app import SERVICE
from shared.runner import main

if __name__ == "__main__":
    main(SERVICE)
