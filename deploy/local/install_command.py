"""Puts the project and the `samaki` command into the virtual environment that runs this file.

Run by `make setup` after the locked dependencies are in. It writes what an editable install would (a `.pth` file and a
launcher) without a build backend, which would have to be fetched outside the lock.
"""

import shlex
import sys
import sysconfig
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def install(project: Path, site_packages: Path, scripts: Path, python: Path) -> Path:
    """Write both files; returns the launcher's path."""
    (site_packages / "samaki.pth").write_text(f"{project}\n", encoding="utf-8")
    launcher = scripts / "samaki"
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} -m deploy.local.cli "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    return launcher


def main() -> None:
    """Install into this interpreter's environment. Refuses to touch a system-wide Python."""
    if sys.prefix == sys.base_prefix:
        sys.exit("run this with the virtual environment's Python")
    install(PROJECT, Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("scripts")), Path(sys.executable))


if __name__ == "__main__":
    main()
