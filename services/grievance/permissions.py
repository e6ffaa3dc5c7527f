"""Who may do what here, by role; the area is checked by each use-case. `admin` passes nothing by itself.

A sealed case is seen by `sealed_case_officer` alone: every permission below that names her lets her do the same to
sealed cases of her area; `sealing.py` and `cases/work.py` keep the two apart.
"""

from __future__ import annotations

from typing import Annotated

from shared.auth import Principal, requires

CaseOpen = Annotated[
    Principal,
    requires("commune_officer", "grievance_officer", "case_supervisor", "sealed_case_officer", "public_client"),
]
"""May hand in a complaint, her own or somebody else's."""
ConfigurationRead = Annotated[
    Principal,
    requires(
        "commune_officer",
        "grievance_officer",
        "case_supervisor",
        "sealed_case_officer",
        "public_client",
        "panel_member",
        "auditor",
    ),
]
"""May see what can be complained about."""
CaseRead = Annotated[Principal, requires("grievance_officer", "case_supervisor", "sealed_case_officer", "auditor")]
"""May see cases of her area; what people wrote is shown to grievance officers only."""
WorkRead = Annotated[Principal, requires("grievance_officer", "case_supervisor")]
"""Has a work list."""
CaseWork = Annotated[Principal, requires("grievance_officer", "case_supervisor", "sealed_case_officer")]
"""May work on cases of her area."""
HoldRead = Annotated[Principal, requires("grievance_officer", "case_supervisor", "auditor")]
HoldWork = Annotated[Principal, requires("grievance_officer", "case_supervisor")]
"""May hold payments in her area."""
CaseSupervise = Annotated[Principal, requires("case_supervisor")]
"""Keeps the list of officers, appoints panels, judges patterns."""
AppealRead = Annotated[Principal, requires("grievance_officer", "case_supervisor", "panel_member", "auditor")]
PanelWork = Annotated[Principal, requires("panel_member")]
"""May vote on appeals to whose panel she was appointed."""
PatternRead = Annotated[Principal, requires("case_supervisor", "auditor")]
SealedRead = Annotated[Principal, requires("sealed_case_officer")]
"""Sees sealed cases of her area."""
StatisticsRead = Annotated[Principal, requires("grievance_officer", "case_supervisor", "auditor")]
ReceiptRead = Annotated[Principal, requires("public_client", "grievance_officer")]
"""May look up the state of a case by its receipt code: the public web and telephone clients."""
