"""How invoices end, over HTTP: paid by their customers, or waived by who keeps the books."""

from billing.collection.dependencies import CollectingDep, WaivingDep
from billing.collection.schemas import InvoicePay
from billing.customers.dependencies import UserId
from billing.invoices.dependencies import may_write
from billing.invoices.models import InvoiceId
from billing.invoices.schemas import InvoiceRead
from core.dependencies import RequestKey, idempotent
from core.routing import Router

router = Router(prefix="/v1/invoices", tags=["invoices"])


@router.post("/{invoice_id}/pay")
@idempotent
async def pay_invoice(
    invoice_id: InvoiceId, user_id: UserId, key: RequestKey, collecting: CollectingDep, body: InvoicePay | None = None
) -> InvoiceRead:
    method_id = body.payment_method_id if body else None
    paid = await collecting.pay(invoice_id, user_id=user_id, payment_method_id=method_id, request_key=key)
    return InvoiceRead.of(paid)


@router.post("/{invoice_id}/void", dependencies=[may_write])
async def void_invoice(invoice_id: InvoiceId, waiving: WaivingDep) -> InvoiceRead:
    """Takes back what an open or uncollectible invoice asks for; it keeps its number."""
    return InvoiceRead.of(await waiving.void(invoice_id))


@router.post("/{invoice_id}/mark-uncollectible", dependencies=[may_write])
async def mark_invoice_uncollectible(invoice_id: InvoiceId, waiving: WaivingDep) -> InvoiceRead:
    """Writes off what remains of an open invoice; a subscription that waits for it ends."""
    return InvoiceRead.of(await waiving.mark_uncollectible(invoice_id))
