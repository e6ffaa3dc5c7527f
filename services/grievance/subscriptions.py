"""Every event that grievance hears, and its handler."""

from __future__ import annotations

from services.grievance.payments_view.on_payment_changed import STATUS, on_payment_changed
from services.grievance.payments_view.repository import forget
from shared.consumer import Subscription
from shared.contracts.payments import PAYMENTS

SUBSCRIPTIONS = (Subscription(PAYMENTS, tuple(STATUS), on_payment_changed, reset=forget),)
