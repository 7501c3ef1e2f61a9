"""Credit notes over HTTP: who keeps the books issues them, customers read their own."""

from operator import attrgetter

from billing.credit_notes.dependencies import (
    CreditingDep,
    CreditNoteFilterDep,
    CreditNotePageDep,
    CreditNoteViewsDep,
    may_write,
)
from billing.credit_notes.models import CreditNoteId
from billing.credit_notes.schemas import CreditNoteCreate, CreditNoteRead
from billing.customers.dependencies import ReaderDep
from core.dependencies import Created, RequestKey, idempotent
from core.routing import Router
from core.web.pages import PageOf

router = Router(prefix="/v1/credit-notes", tags=["credit_notes"])


@router.post("", status_code=201, dependencies=[may_write])
@idempotent
async def issue_credit_note(
    body: CreditNoteCreate, key: RequestKey, crediting: CreditingDep, created: Created
) -> CreditNoteRead:
    return created(CreditNoteRead.of(await crediting.issue(body.order(), request_key=key)))


@router.get("")
async def list_credit_notes(
    reader: ReaderDep, query: CreditNoteFilterDep, page: CreditNotePageDep, notes: CreditNoteViewsDep
) -> PageOf[CreditNoteRead]:
    rows = await notes.page(reader.only(query.filters()), after=page.after, limit=page.limit)
    return page.of(rows, item=CreditNoteRead.of, position=attrgetter("created_at", "id"))


@router.get("/{credit_note_id}")
async def read_credit_note(
    credit_note_id: CreditNoteId, reader: ReaderDep, notes: CreditNoteViewsDep
) -> CreditNoteRead:
    return CreditNoteRead.of(await notes.one(credit_note_id, reader.only()))
