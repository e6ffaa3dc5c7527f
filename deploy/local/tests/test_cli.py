"""The `samaki` command where nothing runs, and its installation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.cli import app
from deploy.local.home import PROJECT
from deploy.local.install_command import install
from deploy.local.keys import Keys
from deploy.local.tests.test_keys import claims_of

samaki = CliRunner()


def test_a_token_is_printed_alone_for_use_in_scripts(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    result = samaki.invoke(app, ["token", "--role", "auditor", "--role", "admin", "--area", "1204", "--home", home])
    assert result.exit_code == 0
    claims = claims_of(result.stdout.strip(), Keys(tmp_path / "home" / "keys").jwks)
    assert (claims["roles"], claims["areas"]) == (["auditor", "admin"], ["1204"])


def test_status_and_down_say_that_nothing_runs(tmp_path: Path) -> None:
    assert samaki.invoke(app, ["status", "--home", str(tmp_path)]).exit_code == 3
    assert "nothing is running" in samaki.invoke(app, ["down", "--home", str(tmp_path)]).stdout


def test_reset_asks_first(tmp_path: Path) -> None:
    home = tmp_path / "home"
    Keys(home / "keys")
    assert samaki.invoke(app, ["reset", "--home", str(home)], input="n\n").exit_code != 0
    assert home.exists()
    assert samaki.invoke(app, ["reset", "--yes", "--home", str(home)]).exit_code == 0
    assert not home.exists()


def test_an_unknown_log_names_those_there_are(tmp_path: Path) -> None:
    result = samaki.invoke(app, ["logs", "nobody", "--home", str(tmp_path)])
    assert result.exit_code == 2


def test_the_state_of_an_ended_platform_shows_as_stopped(tmp_path: Path) -> None:
    dead = {"name": "registry-api", "pid": 2**22 - 1, "started": 1.0, "log": str(tmp_path / "log")}
    ports = {"postgres": 1, "gateway": 2, "mock-bank": 3, "mobile-money": 4}
    ports |= {f"{name}-api": 5 for name in ("registry", "eligibility", "payments", "grievance", "insights")}
    state = {"bus": "postgres", "bootstrap": "", "ports": ports, "processes": [dead]}
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert samaki.invoke(app, ["status", "--home", str(tmp_path)]).exit_code == 1


def test_the_installed_command_works_from_a_path_with_spaces_and_quotes(tmp_path: Path) -> None:
    scripts = tmp_path / 'it\'s a "venv"' / "bin"
    packages = tmp_path / "packages"
    for directory in (scripts, packages):
        directory.mkdir(parents=True)
    python = scripts / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    launcher = install(PROJECT, packages, scripts, python)
    assert (packages / "samaki.pth").read_text().strip() == str(PROJECT)
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    result = subprocess.run([launcher, "--help"], capture_output=True, text=True, env=environment, cwd="/", check=False)
    assert result.returncode == 0
    assert "samaki" in result.stdout.lower()


@pytest.mark.parametrize("variable", ["SAMAKI_HOME"])
def test_the_home_can_be_chosen_by_the_environment(tmp_path: Path, variable: str) -> None:
    result = samaki.invoke(app, ["token", "--role", "auditor"], env={variable: str(tmp_path / "elsewhere")})
    assert result.exit_code == 0
    assert (tmp_path / "elsewhere" / "keys" / "jwks.json").exists()
