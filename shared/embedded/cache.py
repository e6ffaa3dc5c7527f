"""A per-user cache of things that are slow to make: jars, an initialised database cluster.

Entries are made once under a file lock and moved into place by one rename, so parallel test workers and interrupted
runs never see half an entry.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


def cache_home() -> Path:
    """The directory: SAMAKI_CACHE, else XDG_CACHE_HOME/samaki, else ~/.cache/samaki, else a private temporary one."""
    chosen = os.environ.get("SAMAKI_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "samaki"
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        if chosen:
            raise
        # No writable home (a service account): a directory of this user alone.
        base = Path(tempfile.gettempdir()) / f"samaki-cache-{os.geteuid()}"
        base.mkdir(exist_ok=True, mode=0o700)
        if base.stat().st_uid != os.geteuid():
            raise PermissionError(f"{base} belongs to another user; set SAMAKI_CACHE to a directory of yours") from None
    return base


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file between processes; released even when the holder is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def entry(key: str, make: Callable[[Path], None]) -> Path:
    """The cached directory `key`; `make(directory)` fills it the first time. What `make` raises is passed on."""
    home = cache_home()
    target = home / key
    if target.exists():
        return target
    with locked(home / f"{key}.lock"):
        if not target.exists():
            unfinished = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=home))
            try:
                make(unfinished)
                unfinished.rename(target)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return target
