"""The books over HTTP, for who keeps them."""

from operator import attrgetter

from billing.ledger.dependencies import LedgerViewsDep, TransactionFilterDep, TransactionPageDep, may_read
from billing.ledger.schemas import AccountRead, TransactionRead
from core.routing import Router
from core.web.pages import PageOf

router = Router(prefix="/v1/ledger", tags=["ledger"], dependencies=[may_read])


@router.get("/transactions")
async def list_transactions(
    query: TransactionFilterDep, page: TransactionPageDep, ledger: LedgerViewsDep
) -> PageOf[TransactionRead]:
    transactions = await ledger.page(query.filters(), after=page.after, limit=page.limit)
    return page.of(transactions, item=TransactionRead.of, position=attrgetter("created_at", "id"))


@router.get("/accounts")
async def list_accounts(ledger: LedgerViewsDep) -> PageOf[AccountRead]:
    """Every account in every currency; they are few, and come in one page."""
    balances = await ledger.balances()
    return PageOf(data=[AccountRead.of(balance) for balance in balances], next_cursor=None)
