"""How a customer is closed: in steps, because the provider is asked while no transaction is open.

1. The customer buys nothing from now on: what waits for an invoice and is theirs goes to their balance, subscriptions
end, what is owed is taken back, and this is committed. 2. The provider detaches every payment method: what it has not
charged by then, it declines. 3. Once no payment and no refund is under way, what remains of the person is removed and
the answer announced, in one transaction. Until then nothing is removed, and steps 2 and 3 are tried again: money that
is under way is booked, however long the provider takes to tell of it.
"""

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from billing.collection.service import Collection
from billing.customers.models import Customer
from billing.customers.service import Customers
from billing.payments.models import PaymentMethod
from billing.payments.provider import Provider
from billing.payments.service import PaymentMethods
from billing.refunds.service import Refunds
from billing.subscriptions.service import Invoicing, Standing
from core.errors import Unavailable
from core.ids import format_id


@dataclass(frozen=True, slots=True)
class Closing:
    """What is written before the provider is asked, and after: each in one transaction."""

    customers: Customers
    methods: PaymentMethods
    collection: Collection
    refunds: Refunds
    invoicing: Invoicing
    standing: Standing
    # Forgets the answers that are kept for the retries of somebody's requests.
    forget_answers: Callable[[str], Awaitable[None]]
    retry_after: timedelta

    async def begin(self, user_id: UUID) -> None:
        """Ends what a user has bought; asked again of who is closed, it answers again."""
        customer = await self.customers.stop(user_id)
        if customer.closed_at is not None:
            await self.customers.announce(customer)
            return
        # What is theirs, while there are still subscriptions that it comes from.
        await self.invoicing.give_back(customer)
        is_settled = await self._settled(customer)
        await self.standing.cancel_all(customer.id)
        if is_settled and not await self.methods.of(customer.id):
            await self._finish(customer)
        else:
            await self.customers.go_on_closing(customer)

    async def attached(self, customer_id: UUID) -> Sequence[PaymentMethod]:
        """What the provider may still have of a customer."""
        return await self.methods.of(customer_id)

    async def go_on(self, customer_id: UUID, *, detached: AbstractSet[UUID]) -> None:
        """Closes a customer of whom the provider has these methods no more; is there more to wait for, later."""
        customer = await self.customers.by_id(customer_id)
        is_settled = await self._settled(customer)
        if is_settled and {method.id for method in await self.methods.of(customer_id)} <= detached:
            await self._finish(customer)
        else:
            await self.customers.go_on_closing(customer, delay=self.retry_after)

    async def _settled(self, customer: Customer) -> bool:
        """Takes back what is owed; whether no money of this customer is under way any more, in either direction."""
        return await self.collection.give_up(customer) and not await self.refunds.is_under_way(customer.id)

    async def _finish(self, customer: Customer) -> None:
        await self.standing.erase(customer.id)
        await self.methods.remove(customer.id)
        await self.forget_answers(format_id("usr", customer.user_id))
        await self.customers.close(customer)


@dataclass(frozen=True, slots=True)
class Detachment:
    """Has the provider give up what a customer paid with; `begin` opens a transaction of its own."""

    begin: Callable[[], AbstractAsyncContextManager[Closing]]
    provider: Provider

    async def go_on(self, customer_id: UUID) -> None:
        """Detaches what it can; the customer is closed if that is all."""
        async with self.begin() as closing:
            methods = await closing.attached(customer_id)
        detached = set[UUID]()
        # However long the provider is away: the rest is tried again.
        with suppress(Unavailable):
            for method in methods:
                await self.provider.detach(method.reference)
                detached.add(method.id)
        async with self.begin() as closing:
            await closing.go_on(customer_id, detached=detached)
