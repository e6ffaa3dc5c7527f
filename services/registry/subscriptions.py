"""Every event this service hears, and its handler. The registry's main job needs none: it only speaks."""

from __future__ import annotations

from shared.consumer import Subscription

SUBSCRIPTIONS: tuple[Subscription, ...] = ()
