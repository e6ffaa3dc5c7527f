"""What app.py takes from rails and reconciliation: endpoints, jobs, schedules and clients.

For the rest of the service: after committing new `queued` attempts, `enqueue(session, FORM, {}, key=FORM)` sends them
on at once (the schedule does so within seconds anyway). `reconciliation.lines_repository.lines_of` gives the rails'
words on attempts, for the explanation of a payment.
"""

from __future__ import annotations

from datetime import timedelta

from services.payments.rails.apply_callbacks import forget_callbacks, queue_if_waiting, run_apply_callbacks
from services.payments.rails.clients import Clients, clients_of, open_clients
from services.payments.rails.dispatch_batch import LEASE, run_dispatch_batch
from services.payments.rails.endpoints import router as rails_router
from services.payments.rails.form_batches import DISPATCH, FORM, run_form_batches
from services.payments.rails.policy_endpoints import router as policy_router
from services.payments.rails.poll_rails import POLL, run_poll_rails, schedule_poll
from services.payments.rails.receive_callback import APPLY
from services.payments.rails.reversals.endpoints import router as reversals_router
from services.payments.rails.reversals.run_reversal import REVERSE, run_reverse_payment, schedule_reversals
from services.payments.reconciliation.break_endpoints import router as breaks_router
from services.payments.reconciliation.endpoints import router as reconciliation_router
from services.payments.reconciliation.receive_file import TAKE_IN, run_take_in
from shared.jobs import JobKind, Schedule

__all__ = ["DISPATCH", "FORM", "JOBS", "POLL", "ROUTERS", "SCHEDULES", "Clients", "clients_of", "open_clients"]

ROUTERS = (rails_router, policy_router, reversals_router, reconciliation_router, breaks_router)
JOBS = (
    JobKind(FORM, run_form_batches),
    JobKind(DISPATCH, run_dispatch_batch, lease=LEASE),
    JobKind(POLL, run_poll_rails, lease=LEASE),
    JobKind(TAKE_IN, run_take_in),
    JobKind(APPLY, run_apply_callbacks),
    JobKind(REVERSE, run_reverse_payment),
)
SCHEDULES = (
    Schedule("poll_rails", timedelta(seconds=5), schedule_poll),
    Schedule("apply_callbacks", timedelta(seconds=2), queue_if_waiting),
    Schedule("rail_reversals", timedelta(seconds=10), schedule_reversals),
    Schedule("forget_callbacks", timedelta(days=1), forget_callbacks),
)
