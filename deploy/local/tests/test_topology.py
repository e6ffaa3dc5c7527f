"""The table of roles and ports agrees with what the services declare."""

import importlib

import pytest

from deploy.local.topology import SERVICES, ServiceSpec, default_ports, listener


@pytest.mark.parametrize("spec", SERVICES, ids=lambda spec: spec.name)
def test_each_service_runs_exactly_the_roles_it_needs(spec: ServiceSpec) -> None:
    service = importlib.import_module(f"services.{spec.name}.app").SERVICE
    needed = {"api"}
    needed |= {"relay"} if service.publishes else set()
    needed |= {"consumer"} if service.subscriptions else set()
    needed |= {"worker"} if service.jobs or service.schedules else set()
    assert set(spec.roles) == needed


def test_every_listener_has_a_port_of_its_own() -> None:
    ports = default_ports()
    assert len(set(ports.values())) == len(ports)
    assert {listener(service.name, role) for service in SERVICES for role in service.roles} <= set(ports)
