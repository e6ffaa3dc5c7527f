"""Every event payments hears, and what it does with it."""

from __future__ import annotations

from services.payments.entitlements.on_cycle_closed import on_cycle_closed
from services.payments.entitlements.on_enrolment_changed import on_enrolment_changed
from services.payments.entitlements.on_entitlement_changed import on_entitlement_changed
from services.payments.entitlements.on_hold_changed import on_hold_changed
from services.payments.explanations.on_case_changed import on_case_changed
from services.payments.explanations.on_decision_made import on_decision_made
from services.payments.identities.on_identity_changed import forget_identities, on_identity_changed
from services.payments.life_events.on_life_event import on_household_dissolved, on_life_event
from services.payments.programmes.on_programme_published import forget_programmes, on_programme_published
from services.payments.remedies.answer_remedies import on_remedy_requested
from shared.consumer import Subscription
from shared.contracts import eligibility, grievance, registry

SUBSCRIPTIONS = (
    Subscription(
        eligibility.ENROLMENTS,
        (
            eligibility.EnrolmentApproved,
            eligibility.EnrolmentSuspended,
            eligibility.EnrolmentResumed,
            eligibility.EnrolmentWaitlisted,
            eligibility.EnrolmentEnded,
        ),
        on_enrolment_changed,
    ),
    Subscription(
        eligibility.ENTITLEMENTS,
        (eligibility.EntitlementGranted, eligibility.EntitlementRevoked),
        on_entitlement_changed,
    ),
    Subscription(eligibility.CYCLES, (eligibility.CycleClosed,), on_cycle_closed),
    Subscription(eligibility.PROGRAMMES, (eligibility.ProgrammePublished,), on_programme_published, forget_programmes),
    Subscription(grievance.CASES, (grievance.HoldPlaced, grievance.HoldReleased), on_hold_changed),
    Subscription(eligibility.DECISIONS, (eligibility.DecisionMade,), on_decision_made),
    Subscription(
        grievance.CASES,
        (
            grievance.CaseOpened,
            grievance.CaseEscalated,
            grievance.CaseResolved,
            grievance.CaseReopened,
            grievance.CaseClosed,
        ),
        on_case_changed,
    ),
    Subscription(registry.LIFE_EVENTS, (registry.LifeEventRecorded, registry.LifeEventWithdrawn), on_life_event),
    Subscription(registry.HOUSEHOLDS, (registry.HouseholdDissolved,), on_household_dissolved),
    Subscription(
        registry.IDENTITIES,
        (registry.IdentityMerged, registry.IdentityRestored),
        on_identity_changed,
        forget_identities,
    ),
    Subscription(grievance.REMEDIES, (grievance.RemedyRequested,), on_remedy_requested),
)
