"""`/`: what runs here, and where to go."""

from collections.abc import Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from core.web.routes import PlainRoute

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>gateway</title></head>
<body>
<h1>Every service in one process</h1>
<ul>
{links}
</ul>
</body>
</html>
"""


def front_door(links: Mapping[str, str]) -> PlainRoute:
    """A page of links: what each is, and its path."""
    items = "\n".join(f'<li><a href="{escape(path)}">{escape(name)}</a></li>' for name, path in links.items())

    async def page(_request: Request) -> Response:
        return HTMLResponse(_PAGE.format(links=items))

    return PlainRoute("/", page, include_in_schema=False)
