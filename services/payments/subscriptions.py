"""Every event payments hears, and what it does with it."""

from __future__ import annotations

from services.payments.entitlements.on_cycle_closed import on_cycle_closed
from services.payments.entitlements.on_enrolment_changed import on_enrolment_changed
from services.payments.entitlements.on_entitlement_changed import on_entitlement_changed
from services.payments.entitlements.on_hold_changed import on_hold_changed
from shared.consumer import Subscription
from shared.contracts import eligibility, grievance

SUBSCRIPTIONS = (
    Subscription(
        eligibility.ENROLMENTS,
        (eligibility.EnrolmentApproved, eligibility.EnrolmentSuspended, eligibility.EnrolmentEnded),
        on_enrolment_changed,
    ),
    Subscription(
        eligibility.ENTITLEMENTS,
        (eligibility.EntitlementGranted, eligibility.EntitlementRevoked),
        on_entitlement_changed,
    ),
    Subscription(eligibility.CYCLES, (eligibility.CycleClosed,), on_cycle_closed),
    Subscription(grievance.CASES, (grievance.HoldPlaced, grievance.HoldReleased), on_hold_changed),
)
