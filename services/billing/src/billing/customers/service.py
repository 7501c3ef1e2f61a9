"""What is done with customers, and what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.customers.announcements import CustomerState
from billing.customers.models import Customer
from billing.customers.repository import CustomerRepository
from core.clock import Clock
from core.errors import Conflict, Forbidden
from core.events import Events
from core.ids import format_id, new_id


class NotAUser(Forbidden):
    """Only a user has a customer account."""

    code = "not_a_user"


class CurrencyMismatch(Conflict):
    """The customer's account is in another currency."""

    code = "currency_mismatch"


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

    def keep_to_currency(self, customer: Customer, currency: str) -> None:
        """Keeps the currency of the first purchase for all that follow.

        Raises:
            CurrencyMismatch: it was another one.
        """
        if customer.currency not in {None, currency}:
            raise CurrencyMismatch(f"The account is in {customer.currency}, the price in {currency}.")
        customer.currency = currency

    async def count_announced(self) -> int:
        """How many customers there are."""
        return await self.repository.count()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next ones again; their ids, in order."""
        customers = await self.repository.following(after, limit=limit)
        for customer in customers:
            await self._announce(customer.id, customer.user_id)
        return [customer.id for customer in customers]

    async def _find_or_make(self, user_id: UUID, *, lock: bool) -> Customer:
        customer = await self.repository.of_user(user_id, lock=lock)
        if customer is None:
            await self._make(user_id)
            customer = await self.repository.of_user(user_id, lock=lock)
        assert customer is not None  # noqa: S101 - customers are never removed
        return customer

    async def _make(self, user_id: UUID) -> None:
        customer_id, now = new_id(), self.clock.now()
        if await self.repository.add(customer_id=customer_id, user_id=user_id, now=now):
            await self._announce(customer_id, user_id)

    async def _announce(self, customer_id: UUID, user_id: UUID) -> None:
        state = CustomerState(id=format_id("cus", customer_id), user_id=format_id("usr", user_id))
        await self.events.emit("customer.created", subject=state.id, sequence=1, data=state)
