"""Invoices over HTTP."""

from operator import attrgetter

from billing.customers.dependencies import CustomerFilterDep, CustomerPageDep, ReaderDep
from billing.invoices.dependencies import DraftsDep, InvoiceViewsDep, may_write
from billing.invoices.models import InvoiceId
from billing.invoices.schemas import InvoiceCreate, InvoiceLineCreate, InvoiceLineRead, InvoiceRead
from core.dependencies import Created, PageDep
from core.routing import Router
from core.web.pages import PageOf

router = Router(prefix="/v1/invoices", tags=["invoices"])


@router.post("", status_code=201, dependencies=[may_write])
async def begin_invoice(body: InvoiceCreate, drafts: DraftsDep, created: Created) -> InvoiceRead:
    return created(InvoiceRead.of(await drafts.begin(**dict(body))))


@router.get("")
async def list_invoices(
    reader: ReaderDep, query: CustomerFilterDep, page: CustomerPageDep, invoices: InvoiceViewsDep
) -> PageOf[InvoiceRead]:
    rows = await invoices.page(reader.only(query.filters()), after=page.after, limit=page.limit)
    return page.of(rows, item=InvoiceRead.of, position=attrgetter("created_at", "id"))


@router.get("/{invoice_id}")
async def read_invoice(invoice_id: InvoiceId, reader: ReaderDep, invoices: InvoiceViewsDep) -> InvoiceRead:
    return InvoiceRead.of(await invoices.one(invoice_id, reader.only()))


@router.delete("/{invoice_id}", status_code=204, dependencies=[may_write])
async def delete_draft(invoice_id: InvoiceId, drafts: DraftsDep) -> None:
    await drafts.delete(invoice_id)


@router.post("/{invoice_id}/lines", status_code=201, dependencies=[may_write])
async def add_line(invoice_id: InvoiceId, body: InvoiceLineCreate, drafts: DraftsDep) -> InvoiceLineRead:
    return InvoiceRead.of(await drafts.add_line(invoice_id, **dict(body))).lines[-1]


@router.get("/{invoice_id}/lines")
async def list_lines(
    invoice_id: InvoiceId, reader: ReaderDep, page: PageDep, invoices: InvoiceViewsDep
) -> PageOf[InvoiceLineRead]:
    """The lines of an invoice in their order, for which its own `lines` are too many at once."""
    invoice = await invoices.with_lines(invoice_id, reader.only(), after=page.after, limit=page.limit)
    return page.of(InvoiceRead.of(invoice).lines, item=lambda line: line, position=attrgetter("period_start", "id"))


@router.post("/{invoice_id}/finalize", dependencies=[may_write])
async def finalize_invoice(invoice_id: InvoiceId, drafts: DraftsDep) -> InvoiceRead:
    return InvoiceRead.of(await drafts.finalize(invoice_id))
