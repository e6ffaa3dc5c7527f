"""What the `samaki` command shows: progress while starting, one line per thing that runs, failures."""

import contextlib
from collections.abc import Callable, Iterator
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.local import topology
from deploy.local.platform import Platform, Step
from deploy.local.topology import listener

console = Console()
errors = Console(stderr=True)


@contextlib.contextmanager
def start_progress(total: int) -> Iterator[Callable[[Step], None]]:
    """A progress bar over the steps of a start; yields the function that takes each step's news."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=total)
        under_way: dict[str, str] = {}
        lock = Lock()

        def report(step: Step) -> None:
            with lock:
                if step.state == "ready":
                    under_way.pop(step.name, None)
                    progress.advance(task)
                else:
                    under_way[step.name] = step.state
                names = ", ".join(list(under_way)[:3])
                more = f" and {len(under_way) - 3} more" if len(under_way) > 3 else ""
                progress.update(task, description=f"starting {names}{more}")

        yield report


def steps_to_start() -> int:
    """How many things become ready in a full start."""
    return 5 + sum(len(service.roles) for service in topology.SERVICES)


def show_platform(platform: Platform) -> bool:
    """One line each with address and pids; True when everything runs."""
    for name, address, pids, healthy in _lines(platform):
        state = "[green]running[/]" if healthy else "[red]stopped[/]"
        console.print(f"{name:<13} {address:<22} {state}  {pids}", soft_wrap=True, highlight=False)
    return not platform.missing()


def _lines(platform: Platform) -> Iterator[tuple[str, str, str, bool]]:
    postgres = platform.postgres
    yield "postgres", f"127.0.0.1:{platform.ports[topology.POSTGRES]}", _pid(postgres.pid), postgres.running
    if platform.kafka is not None:
        yield "kafka", platform.kafka.bootstrap, _pid(platform.kafka.pid), platform.kafka.running
    for name in (topology.BANK, topology.MOBILE_MONEY, topology.GATEWAY):
        process = platform.processes.get(name)
        running = process is not None and process.running
        pid = process.pid if process and running else 0
        yield name, f"http://127.0.0.1:{platform.ports[name]}", _pid(pid), running
    for name, handle in platform.services.items():
        pids = handle.pids
        shown = "pid " + ", ".join(f"{role} {pids.get(role, '[red]stopped[/]')}" for role in handle.spec.roles)
        yield name, handle.url, shown, len(pids) == len(handle.spec.roles)


def _pid(number: int) -> str:
    return f"pid {number}" if number else ""


def show_addresses(platform: Platform) -> None:
    """Where a person goes next."""
    lines = (
        "",
        f"API       {platform.gateway_url}/<service>/v1/...",
        f"API docs  {platform.gateway_url}/docs",
        "a token   samaki token --role ROLE --area CODE",
        f"logs      {platform.home.path / 'logs'}",
    )
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
    moved = _moved(platform)
    if moved:
        console.print(f"[yellow]usual ports in use, so others were chosen: {', '.join(moved)}[/]", soft_wrap=True)


def _moved(platform: Platform) -> list[str]:
    usual = platform.usual_ports()
    return [f"{name} {port} (not {usual[name]})" for name, port in platform.ports.items() if usual.get(name) != port]


def log_names() -> list[str]:
    """Every process that has a log, for messages and completion."""
    roles = [listener(service.name, role) for service in topology.SERVICES for role in service.roles]
    return [*roles, topology.GATEWAY, "gateway-access", topology.BANK, topology.MOBILE_MONEY]
