"""Where the payment provider tells what has happened."""

from billing.webhooks.dependencies import NewsDep, WebhooksDep
from billing.webhooks.schemas import WebhookReceipt
from core.routing import Router, public
from core.web.body_limits import KIB, body_max

router = Router(prefix="/v1/webhooks", tags=["webhooks"])

BODY_MAX_BYTES = 64 * KIB
# The handler reads the body as it was sent, because that is what is signed.
_BODY = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}


@router.post("/{provider}", openapi_extra={"requestBody": _BODY})
@public
@body_max(BODY_MAX_BYTES)
async def receive_webhook(provider: str, news: NewsDep, webhooks: WebhooksDep) -> WebhookReceipt:
    """Takes an event that the payment provider has signed; what follows from it is done after the answer."""
    await webhooks.receive(provider, news)
    return WebhookReceipt()
