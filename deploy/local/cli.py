"""The `samaki` command: the whole platform on this machine.

samaki up        start everything and leave it running     samaki demo    run one month of cash transfer
samaki down      stop everything; data stays               samaki token   a token to call the API with
samaki status    what runs where                           samaki logs    follow a service's log
samaki reset     stop and delete all data
"""

import shutil
import signal
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.local import demo as month
from deploy.local import view
from deploy.local.demo.client import DemoFailed
from deploy.local.home import Home, HomeInUse
from deploy.local.keys import Keys
from deploy.local.platform import Platform
from deploy.local.topology import BusKind
from shared.embedded.process import StartFailed, tail

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, rich_markup_mode=None, pretty_exceptions_enable=False
)


class Bus(StrEnum):
    """Choices of --bus."""

    kafka = "kafka"
    postgres = "postgres"


HomeOption = Annotated[Path | None, typer.Option("--home", help="Directory of its state [default: .samaki]")]
BusOption = Annotated[Bus | None, typer.Option("--bus", help="Default: Kafka where Java 17+ and Maven are at hand")]


def _home(path: Path | None) -> Home:
    return Home(path.absolute()) if path else Home.default()


def _kind(bus: Bus | None) -> BusKind | None:
    return "kafka" if bus is Bus.kafka else "postgres" if bus is Bus.postgres else None


def _stop_leftovers(home: Home) -> None:
    if (found := Platform.attach(home)) is not None:
        found.stop()


def _start(platform_options: dict[str, Any]) -> Platform:
    with view.start_progress(view.steps_to_start()) as report:
        platform = Platform(report=report, **platform_options)
        platform.start()
    if platform.choice is not None:
        view.console.print(f"bus: {platform.choice.reason}")
    return platform


@app.command()
def up(bus: BusOption = None, home: HomeOption = None) -> None:
    """Start everything in the background; return when it is ready. Nothing happens when it runs already."""
    place = _home(home)
    running = Platform.attach(place)
    if running is not None and not running.missing():
        view.console.print("already up")
    else:
        if running is not None:
            running.stop()
        running = _start({"home": place, "bus": _kind(bus), "owned": False})
    view.show_platform(running)
    view.show_addresses(running)


@app.command()
def down(home: HomeOption = None) -> None:
    """Stop everything. Data stays: `samaki up` continues with it."""
    found = Platform.attach(_home(home))
    if found is None:
        view.console.print("nothing is running")
        return
    with view.console.status("stopping"):
        found.stop()
    view.console.print("stopped")


@app.command()
def status(home: HomeOption = None) -> None:
    """Show what runs where. Exit code 1 when something that should run does not, 3 when nothing was started."""
    found = Platform.attach(_home(home))
    if found is None:
        view.console.print("not running (samaki up starts it)")
        raise typer.Exit(3)
    if not view.show_platform(found):
        raise typer.Exit(1)


@app.command()
def token(
    role: Annotated[list[str], typer.Option("--role", help="May be given several times")],
    area: Annotated[
        list[str] | None, typer.Option("--area", help="Place-code prefix; default: the whole country")
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="Who the token is for")] = "local-user",
    ttl: Annotated[int, typer.Option("--ttl", help="Seconds it is valid", min=1, max=86_400)] = 3600,
    home: HomeOption = None,
) -> None:
    """Print a token for the local platform: curl -H "Authorization: Bearer $(samaki token --role auditor)" ..."""
    place = _home(home)
    place.prepare()
    print(Keys(place.keys).token(role, areas=area or ["*"], subject=subject, ttl_s=ttl))


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    home: HomeOption = None,
) -> None:
    """Stop everything and delete all data, keys and logs."""
    place = _home(home)
    if not yes:
        typer.confirm(f"Delete everything in {place.path}?", abort=True)
    _stop_leftovers(place)
    _stop_leftovers(Home(place.path / "demo"))
    with place.locked():
        Home(place.path / "demo").wipe()
        place.wipe()
    view.console.print("deleted")


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="registry, payments ... or gateway, mock-bank, mobile-money")],
    role: Annotated[str, typer.Option("--role", help="api, relay, consumer or worker")] = "api",
    lines: Annotated[int, typer.Option("--lines", "-n")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f")] = False,
    home: HomeOption = None,
) -> None:
    """Show the end of a log."""
    place = _home(home)
    names = view.log_names()
    name = service if service in names else f"{service}-{role}"
    engines = {"postgres": place.data / "postgres" / "postgres.log", "kafka": place.data / "kafka" / "kafka.log"}
    file = engines.get(service) or place.log(name)
    if name not in names and service not in engines:
        view.errors.print(f"no such process: {name}. There are: {', '.join([*names, *engines])}")
        raise typer.Exit(2)
    if not file.exists():
        view.errors.print(f"no log yet: {file}")
        raise typer.Exit(1)
    if follow and (command := shutil.which("tail")):
        raise typer.Exit(subprocess.call([command, "-n", str(lines), "-F", str(file)]))
    print(tail(file, lines))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the platform running afterwards")] = False,
    bus: BusOption = None,
    home: HomeOption = None,
) -> None:
    """Run one month of cash transfer from nothing, in a fresh home of its own; then stop and leave no process."""
    place = Home(_home(home).path / "demo")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` runs
    _stop_leftovers(place)
    with place.locked():  # a demo that still runs keeps its data
        place.wipe()
    options: dict[str, Any] = {"home": place, "bus": _kind(bus), "owned": not keep}
    platform = _start(options | {"bank_arguments": month.BANK_ARGUMENTS})
    finished = False
    try:
        view.show_platform(platform)
        month.run(platform)
        finished = True
    finally:
        if not (keep and finished):
            platform.stop()
    if keep:
        view.show_addresses(platform)
        view.console.print(f"it keeps running: samaki status --home {place.path} ; samaki down --home {place.path}")


def main() -> None:
    """Entry point of the `samaki` command."""
    try:
        app()
    except (StartFailed, HomeInUse, DemoFailed) as error:
        view.errors.print(str(error), style="red", markup=False, highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        view.errors.print("interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
