"""Serves the OpenAPI document and its page: serialised once, sent with an ETag, and readable without a network."""

import hashlib
import mimetypes
from collections.abc import Callable
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from core.web.etags import EntityTags
from core.web.routes import PlainMount, PlainRoute


class OpenApiDocument:
    """A document as bytes with their ETag, made at the first request."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make
        self._body: bytes | None = None
        self._etag = ""

    async def answer(self, request: Request) -> Response:
        """Answers with the document, or with 304 to who has it (RFC 9110, section 13.1.2)."""
        if self._body is None:
            self._body = orjson.dumps(self._make())
            self._etag = f'"{hashlib.sha256(self._body).hexdigest()[:16]}"'
        headers = {"ETag": self._etag, "Cache-Control": "no-cache"}
        if EntityTags.parse(request.headers.get("if-none-match", "")).has_weakly(self._etag):
            return Response(status_code=304, headers=headers)
        return Response(self._body, media_type="application/json", headers=headers)


# Every URL is relative: the page cannot know below which path a proxy shows it.
_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{title}</title>
  <link rel="stylesheet" href="docs-assets/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="docs-assets/swagger-ui-bundle.js"></script>
  <script src="docs-assets.js"></script>
</body>
</html>
"""
# A script of its own, because the security policy allows none inside a page.
_START = (
    'SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: true});\n'
)


def documentation_routes(title: str, make: Callable[[], dict[str, Any]]) -> list[PlainRoute | PlainMount]:
    """`/openapi.json`, and `/docs` where the page's assets are installed (`core[local]`)."""
    document = PlainRoute("/openapi.json", OpenApiDocument(make).answer, include_in_schema=False)
    assets = find_spec("fastapi_standalone_docs")
    if assets is None or not assets.submodule_search_locations:
        return [document]

    async def page(_request: Request) -> Response:
        return HTMLResponse(_PAGE.format(title=escape(title)))

    async def start(_request: Request) -> Response:
        return Response(_START, media_type="text/javascript")

    # It reads the system's tables of media types from disk: now, not within a request, and once a process.
    if not mimetypes.inited:
        mimetypes.init()
    folder = Path(assets.submodule_search_locations[0]) / "static" / "swagger"
    return [
        document,
        PlainRoute("/docs", page, include_in_schema=False),
        PlainRoute("/docs-assets.js", start, include_in_schema=False),
        # Unchecked: building an application opens nothing, and the folder was found just now.
        PlainMount("/docs-assets", StaticFiles(directory=folder, check_dir=False)),
    ]
