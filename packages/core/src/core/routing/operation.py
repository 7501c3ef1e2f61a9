"""Serves an operation as FastAPI does, without a second wrapper of `send` and without stacks that hold nothing."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant, _is_async_gen_callable, _is_gen_callable
from fastapi.exceptions import FastAPIError
from fastapi.routing import APIRoute
from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.types import ASGIApp, Receive, Scope, Send


class Operation(APIRoute):
    """FastAPI's, served by `request_response` below, if it has no body limit of FastAPI's own (`max_body_size`)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._leaves_open = self.is_sse_stream or _has_generator(self.dependant)
        if self.max_body_size is None:
            self.app = request_response(self.get_route_handler(), leaves_open=self._may_leave_open)

    def _may_leave_open(self) -> bool:
        # What stands in for a dependency may be a generator, where the dependency is none.
        provider = self.dependency_overrides_provider
        return self._leaves_open or bool(provider and provider.dependency_overrides)


def request_response(handle: Callable[[Request], Awaitable[Response]], *, leaves_open: Callable[[], bool]) -> ASGIApp:
    """FastAPI's function of this name, which enters Starlette's handling of exceptions with an exception alone.

    Starlette wraps `send`, to know whether the answer has begun. Before it is sent it has not; what fails afterwards is
    raised, because the layer around the router handles exceptions as well, and knows. Nor are the two stacks of
    dependencies entered where `leaves_open` says that nothing is put on them.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request, response, is_answering = Request(scope, receive, send), None, False
        try:
            if not leaves_open():
                # FastAPI asks for them.
                scope["fastapi_inner_astack"] = scope["fastapi_function_astack"] = AsyncExitStack()
                response = await handle(request)
                is_answering = True
                await response(scope, receive, send)
                return
            async with AsyncExitStack() as request_stack:
                scope["fastapi_inner_astack"] = request_stack
                async with AsyncExitStack() as function_stack:
                    scope["fastapi_function_astack"] = function_stack
                    response = await handle(request)
                if response is None:
                    _tell_swallowed()
                is_answering = True
                await response(scope, receive, send)
                return
            _tell_swallowed()
        except Exception as failure:
            # Whatever the handler raises: Starlette knows which of it has an answer.
            if is_answering:
                raise
            # With the handler's own request, because it has kept the body.
            await wrap_app_handling_exceptions(_raising(failure), request)(scope, receive, send)

    return app


def _has_generator(dependant: Dependant) -> bool:
    # By the same functions FastAPI decides what it puts on a stack.
    return any(
        _is_gen_callable(each.call) or _is_async_gen_callable(each.call) or _has_generator(each)
        for each in dependant.dependencies
    )


def _tell_swallowed() -> NoReturn:
    raise FastAPIError("a dependency with yield caught an exception and did not raise it again")


def _raising(failure: Exception) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise failure

    return app
