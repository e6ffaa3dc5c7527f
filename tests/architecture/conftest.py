"""What the container images would hold and run, read from the Dockerfiles and docker-compose.yml; no engine needed."""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("registry", "eligibility", "payments", "grievance", "insights")
ISOLATED = Path(__file__).with_name("isolated_python.py")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


class MissingVariable(KeyError):
    """docker compose would stop here and name this variable."""


def interpolate(node: Any, variables: Mapping[str, str]) -> Any:
    """What docker compose does to every value: `${V}`, `${V:-default}`, `${V:?message}`."""
    if isinstance(node, dict):
        return {key: interpolate(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolate(item, variables) for item in node]
    if not isinstance(node, str):
        return node

    def value(match: re.Match[str]) -> str:
        found = variables.get(match["name"], "")
        if found:
            return found
        if match["kind"] == "?":
            raise MissingVariable(match["name"])
        return match["rest"] if match["kind"] == "-" else ""

    return _VARIABLE.sub(value, node)


@dataclass(frozen=True)
class ComposeFile:
    """docker-compose.yml as written (YAML merges done) and as it runs with a filled-in environment file."""

    raw: dict[str, Any]
    variables: dict[str, str]

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services with every variable replaced."""
        return dict(interpolate(self.raw["services"], self.variables))

    def of_service(self, name: str) -> dict[str, dict[str, Any]]:
        """role -> definition of the containers built with SERVICE=name."""
        found = {}
        for definition in self.services.values():
            if _argument(definition, "SERVICE") == name:
                found[definition["command"][0]] = definition
        return found


def _argument(definition: Mapping[str, Any], name: str) -> str | None:
    build = definition.get("build", {})
    return build.get("args", {}).get(name) if isinstance(build, dict) else None


@pytest.fixture(scope="session")
def compose() -> ComposeFile:
    """The compose file, with the example environment and every empty value in it filled in."""
    raw = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    variables = {}
    for line in (ROOT / "deploy/docker/.env.example").read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            key = base64.b64encode(name.encode().ljust(32, b".")[-32:]).decode()
            variables[name] = value or (key if name.endswith("_KEY") else f"filled{len(variables)}")
    return ComposeFile(raw, variables)


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps this path (a folder or file, relative to the root) out of every build."""
    result = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        keep = rule.startswith("!")
        pattern = rule.removeprefix("!")
        parts = path.split("/")
        prefixes = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
        if pattern.startswith("**/"):
            hit = any(fnmatch(part, pattern.removeprefix("**/")) for part in parts)
        else:
            hit = any(fnmatch(prefix, pattern) and prefix.count("/") == pattern.count("/") for prefix in prefixes)
        result = (not keep) if hit else result
    return result


@dataclass(frozen=True)
class Image:
    """The files a Dockerfile copies, laid out in a folder, and the entry point it declares."""

    folder: Path
    entrypoint: tuple[str, ...]
    arguments: Mapping[str, str]

    def run(self, command: Sequence[str], environment: Mapping[str, str], timeout_s: float = 60) -> str:
        """Run a command as the container would, with only the copied files importable; returns its output."""
        result = subprocess.run(
            [*self.entrypoint, *command],
            cwd=self.folder,
            env=self.environment(environment),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert result.returncode == 0, f"{shlex.join(command)}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The container's environment; `python` is this test's own, told to import from the folder alone."""
        path = f"{self.folder.parent / 'bin'}:/usr/bin:/bin"
        hidden = {"SAMAKI_ISOLATED_FROM": str(ROOT)}
        return {"PATH": path, **hidden, **self.arguments, **{key: str(value) for key, value in given.items()}}


@pytest.fixture(scope="session")
def build_image(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Image]:
    """`build_image(dockerfile, SERVICE="registry")`: what its last stage copies."""

    def build(dockerfile: str, **arguments: str) -> Image:
        home = tmp_path_factory.mktemp("image")
        folder = home / "app"
        folder.mkdir()
        (home / "bin").mkdir()
        shim = home / "bin" / "python"
        command = shlex.join([sys.executable, "-I", str(ISOLATED)])
        shim.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
        entrypoint: tuple[str, ...] = ()
        for line in (ROOT / dockerfile).read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
            if line.startswith("COPY ") and "--from=" not in line and " /" not in line:
                source, target = interpolate(line, arguments).split()[1:]
                _copy(source.rstrip("/"), folder / target)
            if line.startswith("ENTRYPOINT "):
                entrypoint = tuple(json.loads(line.removeprefix("ENTRYPOINT ")))
        return Image(folder, entrypoint, arguments)

    return build


def _copy(source: str, target: Path) -> None:
    found = ROOT / source
    assert found.exists(), f"a Dockerfile copies {source}, which does not exist"
    assert not ignored(source), f"a Dockerfile copies {source}, which .dockerignore keeps out"
    if found.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found, target)
        return

    def left_out(folder: str, names: list[str]) -> list[str]:
        relative = Path(folder).relative_to(ROOT)
        return [name for name in names if ignored((relative / name).as_posix())]

    shutil.copytree(found, target, ignore=left_out)


@pytest.fixture(scope="session")
def service_images(build_image: Callable[..., Image]) -> dict[str, Image]:
    """The five services' images."""
    return {name: build_image("deploy/docker/Dockerfile", SERVICE=name) for name in SERVICES}


@dataclass(frozen=True)
class Migrated:
    """A database where every service has migrated its own schema, from its own image and as its own role."""

    dsn: Mapping[str, str]
    postgres: Any
    database: str
    environment: Callable[[str], dict[str, str]]


@pytest.fixture(scope="session")
def migrated(compose: ComposeFile, service_images: dict[str, Image], postgres: Any, keys: Any) -> Migrated:
    """All five services migrated."""
    database = f"architecture_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    dsn = postgres.provision(SERVICES, database=database)

    def environment(name: str) -> dict[str, str]:
        given = dict(compose.of_service(name)["migrate"]["environment"])
        given |= {"SAMAKI_DATABASE_URL": dsn[name], "SAMAKI_JWKS": str(keys.jwks), "SAMAKI_HTTP_HOST": "127.0.0.1"}
        return given | {"SAMAKI_BUS": "postgres", "SAMAKI_BUS_DATABASE_URL": dsn["bus"]}

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: service_images[name].run(["migrate"], environment(name)), SERVICES))
    return Migrated(dsn, postgres, database, environment)
