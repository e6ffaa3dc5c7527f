"""Every event this service hears, and its handler."""

from __future__ import annotations

from services.registry.remedies.on_remedy_requested import on_remedy_requested
from shared.consumer import Subscription
from shared.contracts.grievance import REMEDIES, RemedyRequested

SUBSCRIPTIONS: tuple[Subscription, ...] = (Subscription(REMEDIES, (RemedyRequested,), on_remedy_requested),)
