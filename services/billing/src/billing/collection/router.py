"""Paying over HTTP."""

from billing.collection.dependencies import CollectingDep
from billing.collection.schemas import InvoicePay
from billing.customers.dependencies import UserId
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
