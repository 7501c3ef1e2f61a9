"""A user's own invoices over HTTP."""

from operator import attrgetter

from billing.customers.dependencies import UserId
from billing.invoices.dependencies import InvoiceViewsDep
from billing.invoices.models import InvoiceId
from billing.invoices.schemas import InvoiceRead
from core.dependencies import PageDep
from core.routing import Router
from core.web.pages import PageOf

router = Router(prefix="/v1/invoices", tags=["invoices"])


@router.get("")
async def list_invoices(user_id: UserId, page: PageDep, invoices: InvoiceViewsDep) -> PageOf[InvoiceRead]:
    rows = await invoices.page(user_id=user_id, after=page.after, limit=page.limit)
    return page.of(rows, item=InvoiceRead.of, position=attrgetter("created_at", "id"))


@router.get("/{invoice_id}")
async def read_invoice(invoice_id: InvoiceId, user_id: UserId, invoices: InvoiceViewsDep) -> InvoiceRead:
    return InvoiceRead.of(await invoices.one(invoice_id, user_id=user_id))
