"""Nothing small goes through the thread pool: a hop there costs a request more than what these functions do."""

import importlib
import inspect
from collections.abc import Callable, Iterator

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from tests.architecture.conftest import SERVICES


def functions(dependant: Dependant) -> Iterator[Callable[..., object]]:
    """The endpoint or dependency itself, then all that it needs."""
    if dependant.call is not None:
        yield dependant.call
    for needed in dependant.dependencies:
        yield from functions(needed)


def on_the_loop(function: Callable[..., object]) -> bool:
    call = function if inspect.isroutine(function) else type(function).__call__
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)


@pytest.mark.parametrize("name", SERVICES)
def test_every_endpoint_and_dependency_runs_on_the_event_loop(name):
    service = importlib.import_module(f"services.{name}.app").SERVICE
    routes = [route for router in service.routers for route in router.routes if isinstance(route, APIRoute)]
    assert routes
    threaded = {
        f"{function.__module__}.{function.__qualname__}"
        for route in routes
        for function in functions(route.dependant)
        if not on_the_loop(function)
    }
    assert not threaded, "write `async def`"
