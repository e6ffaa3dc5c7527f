"""Every event that grievance hears, and its handler."""

from __future__ import annotations

from services.grievance.decisions_view import repository as decisions_view
from services.grievance.decisions_view.on_eligibility_told import (
    STATUS as ENROLMENT_STATUS,
)
from services.grievance.decisions_view.on_eligibility_told import (
    on_decision_made,
    on_enrolment_changed,
    on_programme_published,
)
from services.grievance.payments_view.on_payment_changed import STATUS, on_payment_changed
from services.grievance.payments_view.repository import forget
from services.grievance.people import repository as people
from services.grievance.people.on_household_changed import on_household_changed
from services.grievance.people.on_identity_changed import on_identity_changed
from services.grievance.remedies.on_remedy_answered import on_remedy_answered
from shared.consumer import Subscription
from shared.contracts import eligibility, payments, registry

SUBSCRIPTIONS = (
    Subscription(payments.PAYMENTS, tuple(STATUS), on_payment_changed, reset=forget),
    Subscription(
        registry.HOUSEHOLDS,
        (registry.HouseholdRegistered, registry.HouseholdChanged, registry.HouseholdDissolved),
        on_household_changed,
        reset=people.forget_households,
    ),
    Subscription(
        registry.IDENTITIES,
        (registry.IdentityMerged, registry.IdentityRestored),
        on_identity_changed,
        reset=people.forget_aliases,
    ),
    Subscription(
        eligibility.DECISIONS, (eligibility.DecisionMade,), on_decision_made, reset=decisions_view.forget_decisions
    ),
    Subscription(
        eligibility.PROGRAMMES,
        (eligibility.ProgrammePublished,),
        on_programme_published,
        reset=decisions_view.forget_programmes,
    ),
    Subscription(
        eligibility.ENROLMENTS,
        tuple(ENROLMENT_STATUS),
        on_enrolment_changed,
        reset=decisions_view.forget_enrolments,
    ),
    Subscription(registry.REMEDIES, (registry.RemedyAnswered,), on_remedy_answered),
    Subscription(eligibility.REMEDIES, (eligibility.RemedyAnswered,), on_remedy_answered),
    Subscription(payments.REMEDIES, (payments.RemedyAnswered,), on_remedy_answered),
)
