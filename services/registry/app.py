"""The whole registry on one page."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.registry.households.endpoints import router as households
from services.registry.imports.endpoints import router as imports
from services.registry.imports.load_import import LOAD_IMPORT
from services.registry.imports.purge_abandoned import PURGE_ABANDONED
from services.registry.places.change_location_class import RECLASS_HOUSEHOLDS, START_DUE_CLASSES
from services.registry.places.endpoints import router as places
from services.registry.places.load_places import LOAD_PLACES
from services.registry.sealing import open_resources
from services.registry.settings import RegistrySettings
from services.registry.subscriptions import SUBSCRIPTIONS
from shared.app import build_app
from shared.contracts.registry import HOUSEHOLDS
from shared.service import Service

SERVICE = Service(
    name="registry",
    title="Samaki registry: who people are",
    settings=RegistrySettings,
    migrations=Path(__file__).parent / "migrations",
    routers=(places, households, imports),
    subscriptions=SUBSCRIPTIONS,
    jobs=(LOAD_PLACES, LOAD_IMPORT, RECLASS_HOUSEHOLDS),
    schedules=(PURGE_ABANDONED, START_DUE_CLASSES),
    publishes=(HOUSEHOLDS,),
    resources=open_resources,
)


def create_app(settings: RegistrySettings | None = None) -> FastAPI:
    """The registry's app; settings default to the environment."""
    return build_app(SERVICE, settings)
