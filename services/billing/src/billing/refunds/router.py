"""Refunds over HTTP, for who keeps the books."""

from operator import attrgetter

from billing.refunds.dependencies import RefundingDep, RefundViewsDep, may_read, may_write
from billing.refunds.models import RefundId
from billing.refunds.schemas import RefundCreate, RefundRead
from core.dependencies import Created, PageDep, RequestKey, idempotent
from core.routing import Router
from core.web.pages import PageOf

router = Router(prefix="/v1/refunds", tags=["refunds"])


@router.post("", status_code=201, dependencies=[may_write])
@idempotent
async def add_refund(body: RefundCreate, key: RequestKey, refunding: RefundingDep, created: Created) -> RefundRead:
    return created(RefundRead.of(await refunding.refund(body.payment_id, body.amount, request_key=key)))


@router.get("", dependencies=[may_read])
async def list_refunds(page: PageDep, refunds: RefundViewsDep) -> PageOf[RefundRead]:
    rows = await refunds.page(after=page.after, limit=page.limit)
    return page.of(rows, item=RefundRead.of, position=attrgetter("created_at", "id"))


@router.get("/{refund_id}", dependencies=[may_read])
async def read_refund(refund_id: RefundId, refunds: RefundViewsDep) -> RefundRead:
    return RefundRead.of(await refunds.one(refund_id))
