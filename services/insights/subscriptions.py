"""Every event that insights hears, and its handler. `reset` empties what the handler builds, before a replay."""

from __future__ import annotations

from services.insights.facts import on_case_changed as cases
from services.insights.facts import on_control_totals as controls
from services.insights.facts import on_enrolment_changed as enrolments
from services.insights.facts import on_entitlement_changed as entitlements
from services.insights.facts import on_household_changed as households
from services.insights.facts import on_payment_changed as payments
from shared.consumer import Subscription
from shared.contracts.eligibility import CYCLES as ELIGIBILITY_CYCLES
from shared.contracts.eligibility import ENROLMENTS, ENTITLEMENTS, CycleClosed
from shared.contracts.grievance import CASES
from shared.contracts.payments import CYCLES as PAYMENTS_CYCLES
from shared.contracts.payments import PAYMENTS, PaymentListApproved
from shared.contracts.registry import HOUSEHOLDS

SUBSCRIPTIONS = (
    Subscription(HOUSEHOLDS, households.TYPES, households.on_household_changed, households.forget_households),
    Subscription(ENROLMENTS, tuple(enrolments.STATE), enrolments.on_enrolment_changed, enrolments.forget_enrolments),
    Subscription(
        ENTITLEMENTS, entitlements.TYPES, entitlements.on_entitlement_changed, entitlements.forget_entitlements
    ),
    Subscription(ELIGIBILITY_CYCLES, (CycleClosed,), controls.on_cycle_closed, controls.forget_cycles),
    Subscription(PAYMENTS, tuple(payments.STATUS), payments.on_payment_changed, payments.forget_payments),
    Subscription(PAYMENTS_CYCLES, (PaymentListApproved,), controls.on_list_approved, controls.forget_lists),
    Subscription(CASES, tuple(cases.STATE), cases.on_case_changed, cases.forget_cases),
)
