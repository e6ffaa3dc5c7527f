"""pain.001 files for a national payroll: written in a process of its own, so that its memory is what the files cost.

python -m tests.bench.rail_files COUNT      the figures as JSON; `tests.bench.rails` shows them
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import uuid4

from services.payments.rails.pain001 import Debtor, length, pieces
from services.payments.rails.port import BatchHeader, Instruction

FILE: Final = 10_000
"""Transactions in one bank file: the rail's default."""


def files(short: bool) -> dict[str, float]:
    """Write pain.001 files in a process of its own; its figures."""
    count = 50_000 if short else 700_000
    command = [sys.executable, "-m", "tests.bench.rail_files", str(count)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(ended.stdout)
    return figures


def write_files(count: int) -> dict[str, float]:
    """In the child: each file measured, then written, from a stream of instructions."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    debtor, size, spent = Debtor("National Treasury", "KH25NATB0000000001", "NATBKHPP"), 0, 0.0
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "file.xml"
        for first in range(0, count, FILE):
            batch = _header(min(FILE, count - first))
            started = time.perf_counter()
            expected = length(batch, _instructions(first, batch.count), debtor)
            with path.open("wb") as out:
                for piece in pieces(batch, _instructions(first, batch.count), debtor):
                    out.write(piece)
            spent += time.perf_counter() - started
            assert path.stat().st_size == expected
            size += expected
        started = time.perf_counter()
        with path.open("wb") as out:
            for _ in range(0, size, 1 << 20):
                out.write(b" " * (1 << 20))
        raw = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "count": count,
        "per_s": count / spent,
        "raw_per_s": count / raw,
        "mib": size / 2**20,
        "peak_mib": peak / 1024,
        "grown_mib": (peak - before) / 1024,
    }


def _header(count: int) -> BatchHeader:
    identity = uuid4()
    amount = sum((Decimal(80_000 + i % 1000) for i in range(count)), Decimal(0))
    created = datetime(2020, 7, 27, 9, 0, tzinfo=UTC)
    return BatchHeader(identity, "bank", "", f"SMK{identity.hex}", count, amount, "KHR", created, date(2020, 7, 27))


def _instructions(first: int, count: int) -> Iterator[Instruction]:
    for i in range(count):
        yield Instruction(
            f"{first + i:032x}", Decimal(80_000 + i % 1000), "KHR", "ACLBKHPP", f"000{first + i:09d}", "Sok Dara"
        )


if __name__ == "__main__":
    print(json.dumps(write_files(int(sys.argv[1]))))
