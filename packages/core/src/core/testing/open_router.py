"""Routers that tests bring along: what asks for no caller there is for anybody, without a mark on each handler."""

from collections.abc import Callable
from typing import Any, cast

from fastapi.routing import APIRoute

from core.routing import Router, asks_for_the_caller, public


class OpenRouter(Router):
    """A router whose operations are public unless they ask for their caller."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Adds one operation."""
        super().add_api_route(path, endpoint, **options)
        if not asks_for_the_caller(cast("APIRoute", self.routes[-1]).dependant):
            # A bound method takes no mark, and shows that of its function.
            public(getattr(endpoint, "__func__", endpoint))
