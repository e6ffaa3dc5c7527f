"""The whole registry on one page."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.registry.applications.endpoints import router as applications
from services.registry.consents.endpoints import router as consents
from services.registry.duplicates import wiring as duplicates
from services.registry.employers.apply_worker_file import APPLY_WORKER_FILE
from services.registry.employers.endpoints import router as employers
from services.registry.employers.worker_file_endpoints import router as worker_files
from services.registry.exports import wiring as exports
from services.registry.households.endpoints import router as households
from services.registry.imports.endpoints import router as imports
from services.registry.imports.load_import import LOAD_IMPORT
from services.registry.imports.purge_abandoned import PURGE_ABANDONED
from services.registry.life_events.apply_feed import APPLY_FEED
from services.registry.life_events.endpoints import router as life_events
from services.registry.persons.endpoints import router as persons
from services.registry.places.change_codes import FOLLOW_CODES
from services.registry.places.change_location_class import RECLASS_HOUSEHOLDS, START_DUE_CLASSES
from services.registry.places.endpoints import router as places
from services.registry.places.load_places import LOAD_PLACES
from services.registry.remedies.endpoints import router as remedies
from services.registry.sealing import open_resources
from services.registry.search.endpoints import router as search
from services.registry.search.index_people import INDEX_PEOPLE, START_INDEXING
from services.registry.settings import RegistrySettings
from services.registry.subscriptions import SUBSCRIPTIONS
from services.registry.sync import wiring as sync
from shared.app import build_app
from shared.contracts.registry import HOUSEHOLDS, IDENTITIES, LIFE_EVENTS, REMEDIES
from shared.service import Service

SERVICE = Service(
    name="registry",
    title="Samaki registry: who people are",
    settings=RegistrySettings,
    migrations=Path(__file__).parent / "migrations",
    routers=(
        *(places, households, persons, search, life_events, applications, consents, employers, remedies, imports),
        worker_files,
        *duplicates.ROUTERS,
        *exports.ROUTERS,
        *sync.ROUTERS,
    ),
    subscriptions=SUBSCRIPTIONS,
    jobs=(
        LOAD_PLACES,
        LOAD_IMPORT,
        RECLASS_HOUSEHOLDS,
        INDEX_PEOPLE,
        APPLY_FEED,
        FOLLOW_CODES,
        APPLY_WORKER_FILE,
        *duplicates.JOBS,
        *exports.JOBS,
    ),
    schedules=(PURGE_ABANDONED, START_DUE_CLASSES, START_INDEXING, *duplicates.SCHEDULES, *exports.SCHEDULES),
    publishes=(HOUSEHOLDS, LIFE_EVENTS, IDENTITIES, REMEDIES),
    resources=open_resources,
)


def create_app(settings: RegistrySettings | None = None) -> FastAPI:
    """The registry's app; settings default to the environment."""
    return build_app(SERVICE, settings)
