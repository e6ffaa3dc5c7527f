"""`python -m tests.bench`: what the platform does, against what this machine can do in the same run.

    --short     smaller (CI)
    --json      figures of the platform as JSON on standard output instead of the table
    --only a,b  of the platform: throughput, latency, gateway; of the services (each a module here that runs alone as
                well): registry_import, registry_read, registry_feed, duplicates, eligibility, coverage,
                payments_core, rails, grievance

Machines differ and are shared, so figures are compared with raw rates of the same run; nothing fails for being slow.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console
from rich.table import Table

from shared.embedded.kafka import EmbeddedKafka
from tests.bench import measure
from tests.bench.bench_service import FILLS
from tests.faults.platform import platform

KINDS: Final = ("throughput", "latency", "gateway")
SERVICES: Final = (
    "registry_import",
    "registry_read",
    "registry_feed",
    "duplicates",
    "eligibility",
    "coverage",
    "payments_core",
    "rails",
    "grievance",
)
Figures = dict[str, dict[str, float]]


async def run(kinds: Sequence[str], *, short: bool, console: Console) -> Figures:
    """Take the measurements."""
    figures: Figures = {}
    usable, reason = EmbeddedKafka.available()
    if not usable:
        console.print(f"no Kafka here ({reason}): throughput and latency are measured on the log in PostgreSQL")
    with tempfile.TemporaryDirectory(prefix="samaki-bench-") as home:
        bench = platform(
            Path(home),
            "kafka" if usable else "postgres",
            roles=(),
            service="bench",
            module="tests.bench.bench_service",
            environment={"SAMAKI_LOG_LEVEL": "warning"},
        )
        with console.status("starting PostgreSQL and Kafka") as status:
            async with bench as running:
                if "throughput" in kinds and usable:
                    for kind in FILLS:
                        status.update(f"throughput: {kind} from outbox to committed projection")
                        count = 20_000 if short else 100_000
                        figures[f"throughput of {kind}"] = await measure.throughput(running, kind, count)
                if "latency" in kinds:
                    status.update("latency at low load")
                    figures["latency"] = await measure.latency(running, 100 if short else 500)
                if "gateway" in kinds:
                    status.update("gateway against direct")
                    figures["gateway"] = await measure.gateway(running, Path(home), 300 if short else 2_000)
    return figures


def show(figures: Figures, console: Console) -> None:
    """The table: figure, what it is compared with, aim, met or not."""
    table = Table("measured", "result", "compared with", "aim", "")

    def add(what: str, result: str, compared: str, aim: str, met: bool) -> None:
        table.add_row(what, result, compared, aim, "met" if met else "[bold]not met[/]")

    for kind in FILLS:
        if found := figures.get(f"throughput of {kind}"):
            raw = f"raw {found['raw_per_s']:,.0f}/s: ratio {found['ratio']:.2f}"
            ours = f"{found['ours_per_s']:,.0f}/s"
            add(f"{kind}, outbox to projection", ours, raw, "ratio at least 0.33", found["ratio"] >= 1 / 3)
    if found := figures.get("latency"):
        median = f"median {found['p50_ms']:.1f} ms"
        add("commit to projection, p99", f"{found['p99_ms']:.1f} ms", median, "under 150 ms", found["p99_ms"] < 150)
    if found := figures.get("gateway"):
        both = f"{found['through_ms']:.2f} ms against {found['direct_ms']:.2f} ms"
        add("gateway, median", f"{found['cost_ms']:.2f} ms more", both, "under 1 ms", found["cost_ms"] < 1)
    console.print(table)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default=",".join((*KINDS, *SERVICES)))
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := set(chosen) - {*KINDS, *SERVICES}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    console = Console(stderr=options.json)
    if kinds := [kind for kind in KINDS if kind in chosen]:
        figures = uvloop.run(run(kinds, short=options.short, console=console))
        show(figures, console)
        if options.json:
            json.dump(figures, sys.stdout, indent=2)
            print()
    failed = [name for name in SERVICES if name in chosen and not measure_service(name, options.short, console)]
    if failed:
        console.print(f"not measured: {', '.join(failed)}")
    return 1 if failed else 0


def measure_service(name: str, short: bool, console: Console) -> bool:
    """Run a service's bench in a process of its own, which prints its table. Whether it could be measured."""
    console.print(f"\n[bold]{name}[/]")
    command = [sys.executable, "-m", f"tests.bench.{name}", *(["--short"] if short else [])]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
