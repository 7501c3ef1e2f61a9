"""Refuses requests that were meant for another host: a name that points here is not yet a name of ours."""

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import BadRequest
from core.web.probes import is_probe
from core.web.problems import Problems


class UnknownHost(BadRequest):
    """The Host header names no host of this service."""

    code = "unknown_host"


class TrustedHosts:
    """Answers 400 unless `Host` (RFC 9110, section 7.2) is one of `hosts`; `*.example.com` is any name below it.

    Probes are answered under any name: an orchestrator asks by address.
    """

    def __init__(self, app: ASGIApp, *, problems: Problems, hosts: Sequence[str]) -> None:
        self.app = app
        self._problems = problems
        self._exact = {host.lower() for host in hosts if not host.startswith("*.")}
        self._endings = tuple(host.lower()[1:] for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and not self._is_known(scope) and not is_probe(scope):
            await self._problems.answer(UnknownHost(), scope)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        named = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1:
            return False
        # Without the port; the colons of an IPv6 address stand in brackets.
        host = named[0] if named[0].endswith("]") else named[0].rpartition(":")[0] or named[0]
        return host in self._exact or host.endswith(self._endings)
