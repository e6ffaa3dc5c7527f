"""One service of a running platform, as tests and the demo hold it."""

from typing import Protocol

from deploy.local.environment import url
from deploy.local.topology import Role, ServiceSpec, listener
from shared.embedded.process import ManagedProcess


class Runner(Protocol):
    """What a handle needs of the platform that runs its service."""

    ports: dict[str, int]
    processes: dict[str, ManagedProcess]

    def start_role(self, spec: ServiceSpec, role: Role) -> None:
        """Start one role and wait until it is ready."""


class ServiceHandle:
    """Where a service answers, which processes it has, and their ends."""

    def __init__(self, platform: Runner, spec: ServiceSpec) -> None:
        self._platform = platform
        self.spec = spec

    @property
    def url(self) -> str:
        """The API's own address, past the gateway."""
        return url(self._platform.ports, listener(self.spec.name, "api"))

    @property
    def pids(self) -> dict[str, int]:
        """The pid of each role that runs."""
        processes = {role: self._process(role) for role in self.spec.roles}
        return {role: process.pid for role, process in processes.items() if process and process.running}

    def kill(self, role: Role) -> None:
        """SIGKILL one role."""
        if process := self._process(role):
            process.kill()

    def stop(self, role: Role) -> None:
        """End one role in order."""
        if process := self._process(role):
            process.stop()

    def start(self, role: Role) -> None:
        """Start one role (again) and wait until it is ready. Raises StartFailed."""
        self._platform.start_role(self.spec, role)

    def _process(self, role: Role) -> ManagedProcess | None:
        return self._platform.processes.get(listener(self.spec.name, role))
