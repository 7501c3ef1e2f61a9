"""Which of a service's routers a deployment serves."""

from collections.abc import Sequence
from difflib import get_close_matches

from core.routing.router import Router
from core.settings import ConfigurationError, Problem


def selected(routers: Sequence[Router], names: Sequence[str], *, service: str, setting: str) -> Sequence[Router]:
    """The routers of these names, the name of a router being its first tag; all of them where no name is given.

    Raises:
        ConfigurationError: the service has no router of some name.
    """
    if not names:
        return routers
    known = sorted({str(tag) for router in routers for tag in router.tags[:1]})
    problems = [_unknown(name, known, service, setting) for name in names if name not in known]
    if problems:
        raise ConfigurationError(service, problems)
    return [router for router in routers if set(router.tags[:1]) & set(names)]


def _unknown(name: str, known: Sequence[str], service: str, setting: str) -> Problem:
    nearest = get_close_matches(name, known, n=1)
    return Problem(
        name=setting,
        fault=f"names a router that {service} does not have",
        value=name,
        accepts=f"comma-separated: {', '.join(known)}",
        remedy=f"did you mean {nearest[0]}?" if nearest else "name one of these, or leave it out for all",
    )
