"""Who may do what here, by role; the area is checked by each use-case. `admin` passes nothing by itself."""

from __future__ import annotations

from typing import Annotated

from shared.auth import Principal, requires

CaseOpen = Annotated[Principal, requires("commune_officer", "grievance_officer", "public_client")]
"""May hand in a complaint, her own or somebody else's."""
CaseRead = Annotated[Principal, requires("grievance_officer", "auditor")]
"""May see cases of her area; what people wrote is shown to grievance officers only."""
CaseWork = Annotated[Principal, requires("grievance_officer")]
"""May work on cases and hold payments in her area."""
ReceiptRead = Annotated[Principal, requires("public_client", "grievance_officer")]
"""May look up the state of a case by its receipt code: the public web and telephone clients."""
