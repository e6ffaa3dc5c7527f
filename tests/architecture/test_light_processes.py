"""Each process of a service imports the whole of it; what only one job needs is loaded by the process that does it."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.conftest import ROOT, SERVICES

LARGE = ("pandas", "splink", "duckdb", "fpdf", "fontTools", "openpyxl", "PIL", "scipy", "matplotlib")
"""Each takes a tenth of a second or more, and 10 to 60 MiB of every api, relay and consumer."""


def test_no_process_loads_what_only_some_jobs_need() -> None:
    imports = "; ".join(f"import services.{name}.app" for name in SERVICES)
    check = f"import sys; {imports}; print(*[name for name in {LARGE!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == []
