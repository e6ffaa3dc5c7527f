"""People at their desks: an HTTP client per officer, through the gateway; jobs are waited for behind a progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.local.platform import Platform

POLL_SECONDS = 0.1
DEADLINE_SECONDS = 180.0


class DemoFailed(RuntimeError):
    """A step of the month did not go as it must. The platform's logs tell more."""


class Officer:
    """One person with her roles and area.

    Args:
        platform: where she works.
        subject: who she is: makers and checkers must differ.
        roles: what she may do.
        areas: place-code prefixes; the whole country by default.
    """

    def __init__(self, platform: Platform, subject: str, *roles: str, areas: Sequence[str] = ("*",)) -> None:
        token = platform.token(*roles, areas=areas, subject=subject)
        self.subject = subject
        self._http = httpx.Client(
            base_url=platform.gateway_url, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def request(self, method: str, path: str, *, expect: int | None = None, **options: Any) -> httpx.Response:
        """A request that must succeed (or answer `expect`).

        Raises:
            DemoFailed: it answered otherwise; the problem's detail is shown.
        """
        answer = self._http.request(method, path, **options)
        wanted = answer.is_success if expect is None else answer.status_code == expect
        if not wanted:
            raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer

    def get(self, path: str, **options: Any) -> Any:
        """The body of a GET."""
        return self.request("GET", path, **options).json()

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """The body of the answer to a POST of JSON."""
        answer = self.request("POST", path, json=body if body is not None else {}, **options)
        return answer.json() if answer.content else None

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list."""
        cursor: str | None = None
        while True:
            page = self.get(path, params={"limit": 500, **params} | ({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return


class Screen:
    """What the demo prints: a headline a step, its findings, progress bars."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._step = 0

    def step(self, title: str) -> None:
        """A new step of the month."""
        self._step += 1
        self.console.print(f"\n[bold]{self._step:2}. {title}[/]")

    def say(self, text: str) -> None:
        """One finding of the step."""
        self.console.print(f"    {text}", highlight=False)

    @contextmanager
    def bar(self, title: str, total: float | None = None) -> Iterator[Callable[[float, float | None], None]]:
        """A progress bar; call what it yields with (done, total)."""
        columns = (
            TextColumn("   "),
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            task = progress.add_task(title, total=total)
            yield lambda done, whole: progress.update(task, completed=done, total=whole)

    def job(self, officer: Officer, service: str, job_id: str, title: str) -> dict[str, Any]:
        """Wait for a job; its result.

        Raises:
            DemoFailed: it failed or took too long.
        """
        end = time.monotonic() + DEADLINE_SECONDS
        with self.bar(title) as update:
            while True:
                job = officer.get(f"/{service}/v1/jobs/{job_id}")
                update(job["done"], job["total"])
                if job["state"] == "succeeded":
                    result: dict[str, Any] = job["result"] or {}
                    return result
                if job["state"] == "failed":
                    raise DemoFailed(f"{title}: {job['error']}")
                if time.monotonic() > end:
                    raise DemoFailed(f"{title}: still {job['state']} after {DEADLINE_SECONDS:.0f} s: {job['message']}")
                time.sleep(POLL_SECONDS)

    def until(self, title: str, look: Callable[[], tuple[int, int]], deadline_s: float = DEADLINE_SECONDS) -> None:
        """Wait until `look()` answers (n, n); it answers (done, total).

        Raises:
            DemoFailed: the deadline passed.
        """
        end = time.monotonic() + deadline_s
        with self.bar(title) as update:
            while True:
                done, total = look()
                update(done, total)
                if done == total:
                    return
                if time.monotonic() > end:
                    raise DemoFailed(f"{title}: {done} of {total} after {deadline_s:.0f} s")
                time.sleep(POLL_SECONDS)
