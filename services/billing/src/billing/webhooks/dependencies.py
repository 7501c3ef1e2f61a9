"""Who is believed to be the provider, and how its news are received and applied."""

from typing import Annotated

from fastapi import Depends, Request

from billing.collection import dependencies as collection
from billing.payments.provider import News, Provider, WebhookMalformed
from billing.refunds import dependencies as refunds
from billing.webhooks.repository import WebhookRepository
from billing.webhooks.service import Application, Webhooks
from core.clock import SystemClock
from core.dependencies import ResourcesDep, Session
from core.errors import NotFound
from core.resources import Resources
from core.web.openapi import documented


def build(session: Session, resources: Resources) -> Webhooks:
    """What the provider has told, in the transaction of `session`."""
    return Webhooks(WebhookRepository(session), resources.events(session), SystemClock())


def build_application(session: Session, resources: Resources) -> Application:
    """What applies it, in the transaction of `session`."""
    return Application(
        repository=WebhookRepository(session),
        collection=collection.build(session, resources),
        refunds=refunds.build(session, resources),
        clock=SystemClock(),
    )


async def _webhooks(session: Session, resources: ResourcesDep) -> Webhooks:
    return build(session, resources)


@documented(WebhookMalformed)
async def _news(provider: str, request: Request, resources: ResourcesDep) -> News:
    """What is told, once its signature is verified; until then nothing is asked of anybody, the database included."""
    known = resources[Provider]
    if provider != known.name:
        raise NotFound
    return known.parse_webhook(await request.body(), request.headers)


NewsDep = Annotated[News, Depends(_news)]
WebhooksDep = Annotated[Webhooks, Depends(_webhooks)]
