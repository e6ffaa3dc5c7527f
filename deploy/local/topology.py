"""What runs on one machine: services, their roles, and where each listens by default.

A table, not a discovery: nothing here imports a service.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["api", "relay", "consumer", "worker"]
BusKind = Literal["kafka", "postgres"]

DEFAULT_PORT_BASE = 8080
GATEWAY = "gateway"
ADMIN = "gateway-admin"
BANK = "mock-bank"
MOBILE_MONEY = "mobile-money"
POSTGRES = "postgres"
KAFKA = "kafka"


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service: `python -m services.<name> <role>` for each role."""

    name: str
    roles: tuple[Role, ...]
    package: str = ""

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return self.package or f"services.{self.name}"


SERVICES = (
    ServiceSpec("registry", ("api", "relay", "consumer", "worker")),
    ServiceSpec("eligibility", ("api", "relay", "consumer", "worker")),
    ServiceSpec("payments", ("api", "relay", "consumer", "worker")),
    ServiceSpec("grievance", ("api", "relay", "consumer", "worker")),
    ServiceSpec("insights", ("api", "consumer")),
)


def listener(service: str, role: Role) -> str:
    """The name of a role's listener, process and log: `registry-api`."""
    return f"{service}-{role}"


def default_ports(base: int = DEFAULT_PORT_BASE, services: Sequence[ServiceSpec] = SERVICES) -> dict[str, int]:
    """Every listener and its usual port: gateway `base`, services `base + 21` up (8080, 8101 ...)."""
    ports = {GATEWAY: base, ADMIN: base + 1, BANK: base + 10, MOBILE_MONEY: base + 11}
    ports |= {POSTGRES: base + 70, KAFKA: base + 71}
    for position, service in enumerate(services):
        ports[listener(service.name, "api")] = base + 21 + position
        background: tuple[Role, ...] = ("relay", "consumer", "worker")
        for offset, role in enumerate(background):
            if role in service.roles:  # health and metrics
                ports[listener(service.name, role)] = base + 31 + 3 * position + offset
    return ports
