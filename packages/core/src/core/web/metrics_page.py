"""`/metrics`: what Prometheus scrapes; rendered from memory, and for the inside of a network only."""

from starlette.requests import Request
from starlette.responses import Response

from core.metrics import Metrics
from core.web.routes import PlainRoute


def metrics_route(metrics: Metrics) -> PlainRoute:
    """The exposition of one service. It asks nobody who they are: the edge must not route it."""

    async def exposition(request: Request) -> Response:
        content, media_type = await metrics.render(request.headers.get("accept", ""))
        return Response(content, media_type=media_type)

    return PlainRoute("/metrics", exposition, include_in_schema=False)
