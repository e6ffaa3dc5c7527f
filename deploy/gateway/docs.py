"""The one page of interactive API docs: Swagger UI over the OpenAPI document of every service, no outside address.

Swagger UI's own files come from the wheel `fastapi-swagger` and are copied where Envoy reads them; nothing of them is
committed here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

PAGES = Path(__file__).with_name("docs")

DOCS_PAGES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "/docs": ("index.html", "text/html; charset=utf-8"),
        "/docs/page.js": ("page.js", "text/javascript; charset=utf-8"),
        "/docs/page.css": ("page.css", "text/css; charset=utf-8"),
        "/docs/services.json": ("services.json", "application/json"),
        "/docs/swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        "/docs/swagger-ui.css": ("swagger-ui.css", "text/css; charset=utf-8"),
    }
)
"""Request path -> (file, content type): all there is under /docs."""


def write_docs(target: Path, services: Iterable[str]) -> Path:
    """Put every file of the docs page into `target`, which Envoy reads when it starts.

    Args:
        target: created when absent.
        services: names in the order in which the page lists them.

    Returns:
        `target`, absolute: what `GatewaySettings.docs_dir` wants.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in ("index.html", "page.js", "page.css"):
        shutil.copyfile(PAGES / name, target / name)
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        shutil.copyfile(_swagger_files() / name, target / name)
    entries = [{"name": name, "url": f"/{name}/openapi.json"} for name in services]
    (target / "services.json").write_text(json.dumps(entries), encoding="utf-8")
    return target.resolve()


def _swagger_files() -> Path:
    """Where the wheel has them; found without importing it, which would import FastAPI (the container has none)."""
    spec = find_spec("fastapi_swagger")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package fastapi-swagger is not installed: it holds the files of the docs page")
    return Path(next(iter(spec.submodule_search_locations))) / "resources"
