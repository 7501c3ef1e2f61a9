"""What is done with customers, and what is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing.customers.announcements import CustomerState
from billing.customers.models import BalanceTransaction, BalanceTransactionView, Customer, CustomerView
from billing.customers.repository import CustomerQueries, CustomerRepository
from billing.money import AMOUNT_MINOR_MAX
from core.clock import Clock
from core.errors import Conflict, Forbidden, NotFound
from core.events import Events
from core.ids import format_id, new_id


class NotAUser(Forbidden):
    """Only a user has a customer account."""

    code = "not_a_user"


class CustomerNotFound(NotFound):
    """There is no such customer."""

    code = "customer_not_found"


class CurrencyMismatch(Conflict):
    """The customer's account is in another currency."""

    code = "currency_mismatch"


class BalanceTooLarge(Conflict):
    """The customer's balance would come to more than a balance can."""

    code = "balance_too_large"


class CustomerClosed(Conflict):
    """The customer's account is closed."""

    code = "customer_closed"
    # A payment method that the provider has been given by then stays on record, until it is detached there.
    keeps_changes = True


@dataclass(frozen=True, slots=True)
class Customers:
    """The customers that users are."""

    repository: CustomerRepository
    events: Events
    clock: Clock

    async def of_user(self, user_id: UUID) -> Customer:
        """The customer that a user is; made by whatever comes first, a request or what users tells."""
        return await self._find_or_make(user_id, lock=False)

    async def locked(self, user_id: UUID) -> Customer:
        """The same, alone: whoever else changes something of this customer waits until the transaction ends."""
        return await self._find_or_make(user_id, lock=True)

    async def buying(self, user_id: UUID) -> Customer:
        """The same, of a user who may buy.

        Raises:
            CustomerClosed: the account is closed, or about to be.
        """
        customer = await self.locked(user_id)
        self.refuse_closed(customer)
        return customer

    async def stop(self, user_id: UUID) -> Customer:
        """The same, of a user who buys nothing from now on; one who was no customer becomes none later."""
        customer = await self.locked(user_id)
        customer.closing_at = customer.closing_at or self.clock.now()
        return customer

    async def by_id(self, customer_id: UUID) -> Customer:
        """The same, by its own id: alone, before anything of theirs is locked.

        Raises:
            CustomerNotFound: there is none.
        """
        customer = await self.repository.locked(customer_id)
        if customer is None:
            raise CustomerNotFound
        return customer

    async def go_on_closing(self, customer: Customer, *, delay: timedelta = timedelta(0)) -> None:
        """Has the closing of a customer looked after, when `delay` is over."""
        customer_id = format_id("cus", customer.id)
        # A subject of its own: a delayed event holds back later ones of its subject, such as customer.closed.
        subject, data = f"{customer_id}/closing", {"id": customer_id}
        await self.events.emit("customer.close", subject=subject, data=data, delay=delay)

    async def close(self, customer: Customer) -> None:
        """Closes a customer who has stopped buying; a second time, nothing."""
        if customer.closed_at is None:
            customer.closed_at = self.clock.now()
            customer.sequence += 1
            await self.repository.flush()
            await self.announce(customer)

    def refuse_closed(self, customer: Customer) -> None:
        """Accepts a customer who may buy.

        Raises:
            CustomerClosed: the account is closed, or about to be.
        """
        if customer.closing_at is not None:
            raise CustomerClosed

    def refuse_currency(self, customer: Customer, currency: str) -> None:
        """Accepts what is asked for in the currency of the account, if it has one yet.

        Raises:
            CurrencyMismatch: it has another one.
        """
        if customer.currency not in {None, currency}:
            raise CurrencyMismatch(f"The account is in {customer.currency}, and what is asked for in {currency}.")

    def keep_to_currency(self, customer: Customer, currency: str) -> None:
        """Keeps the currency of the first purchase for all that follow.

        Raises:
            CurrencyMismatch: it was another one.
        """
        self.refuse_currency(customer, currency)
        customer.currency = currency

    async def credit(self, customer: Customer, amount_minor: int, *, kind: str, source: str) -> None:
        """Adds to the balance of a customer who is locked, or takes from it; the caller posts the same to the ledger.

        `kind` and `source` are those of the posting.

        Raises:
            BalanceTooLarge: it would be more than a balance can be.
        """
        assert customer.currency is not None  # noqa: S101 - no invoice without, and nothing to credit without one
        if customer.balance_minor + amount_minor > AMOUNT_MINOR_MAX:
            raise BalanceTooLarge
        customer.balance_minor += amount_minor
        transaction = BalanceTransaction(
            id=new_id(),
            customer_id=customer.id,
            kind=kind,
            source=source,
            amount_minor=amount_minor,
            balance_minor=customer.balance_minor,
            currency=customer.currency,
            created_at=self.clock.now(),
        )
        await self.repository.add_to_balance(transaction)

    async def announce(self, customer: Customer) -> None:
        """Tells, once or again, what a customer is."""
        state = CustomerState(id=format_id("cus", customer.id), user_id=format_id("usr", customer.user_id))
        type_ = "customer.created" if customer.closed_at is None else "customer.closed"
        await self.events.emit(type_, subject=state.id, sequence=customer.sequence, data=state)

    async def count_announced(self) -> int:
        """How many customers there are."""
        return await self.repository.count()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next ones again; their ids, in order."""
        customers = await self.repository.following(after, limit=limit)
        for customer in customers:
            await self.announce(customer)
        return [customer.id for customer in customers]

    async def _find_or_make(self, user_id: UUID, *, lock: bool) -> Customer:
        customer = await self.repository.of_user(user_id, lock=lock)
        if customer is None:
            is_new = await self.repository.add(customer_id=new_id(), user_id=user_id, now=self.clock.now())
            customer = await self.repository.of_user(user_id, lock=lock)
            assert customer is not None  # noqa: S101 - customers are never removed
            if is_new:
                await self.announce(customer)
        return customer


@dataclass(frozen=True, slots=True)
class CustomerViews:
    """Customers as they are read, by whoever the filters let read them."""

    queries: CustomerQueries

    async def one(self, filters: Mapping[str, UUID]) -> CustomerView:
        """One customer.

        Raises:
            CustomerNotFound: there is no such customer among those.
        """
        customer = await self.queries.one(filters)
        if customer is None:
            raise CustomerNotFound
        return customer

    async def page(
        self, filters: Mapping[str, UUID], *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[CustomerView]:
        return await self.queries.page(filters, after, limit)

    async def balance_transactions(
        self, filters: Mapping[str, UUID], *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[BalanceTransactionView]:
        """How the balance of a customer came to be what it is.

        Raises:
            CustomerNotFound: one is named, and is not among those.
        """
        changes = await self.queries.balance_transactions(filters, after, limit)
        if not changes and "customer_id" in filters:
            await self.one(filters)
        return changes
