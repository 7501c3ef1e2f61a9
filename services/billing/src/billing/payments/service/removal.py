"""How a payment method is removed: here at once, and at the provider after the commit.

1. It is nobody's any more, and what was paid with it forgets it. 2. The provider gives it up, while no transaction is
open. 3. Its row, which has reminded of that until then, is deleted. A process that dies in between loses nothing.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from billing.customers.service import Customers
from billing.payments.models import PaymentMethod
from billing.payments.provider import Provider
from billing.payments.repository import PaymentRepository
from billing.payments.service.methods import PaymentMethodNotFound
from core.clock import Clock
from core.errors import Conflict, Unavailable
from core.events import Events
from core.ids import format_id


class PaymentMethodInUse(Conflict):
    """Something is paid, or will be paid, with this payment method."""

    code = "payment_method_in_use"


class MethodUser(Protocol):
    """Who stands above, and may have a use for a payment method of a customer who is locked."""

    async def needs(self, method: PaymentMethod) -> bool:
        """Whether something is to be paid with it."""
        ...

    async def forget(self, method: PaymentMethod) -> None:
        """Removes its traces from what was paid with it."""
        ...


@dataclass(frozen=True, slots=True)
class Removal:
    """What is written before the provider is asked, and after: each in one transaction."""

    repository: PaymentRepository
    customers: Customers
    user: MethodUser
    events: Events
    clock: Clock
    retry_after: timedelta

    async def remove(self, method_id: UUID, *, user_id: UUID) -> None:
        """Removes a method; was it the default, there is none until another is named.

        Raises:
            PaymentMethodNotFound: the user has no such method.
            PaymentMethodInUse: something needs it.
            CustomerClosed: the account is closed, or about to be, and with it all its methods are removed.
        """
        customer = await self.customers.buying(user_id)
        method = await self.repository.method(method_id, customer_id=customer.id)
        if method is None:
            raise PaymentMethodNotFound
        if await self.repository.is_paying(method_id) or await self.user.needs(method):
            raise PaymentMethodInUse
        method.is_default = False
        method.removed_at = self.clock.now()
        await self.repository.clear_method(method_id)
        await self.user.forget(method)
        await self.go_on(method_id)

    async def removed(self, method_id: UUID) -> PaymentMethod | None:
        """What the provider has still to give up; None: it has, or the customer is closed."""
        return await self.repository.removed(method_id)

    async def finish(self, method_id: UUID) -> None:
        """Deletes what is left of a method that the provider has given up."""
        await self.repository.delete_method(method_id)

    async def go_on(self, method_id: UUID, *, delay: timedelta = timedelta(0)) -> None:
        """Has the provider give up a removed method, when `delay` is over."""
        id_ = format_id("pm", method_id)
        # By its id alone: what the provider knows it by goes with the row.
        await self.events.emit("payment_method.detach", subject=id_, data={"id": id_}, delay=delay)


@dataclass(frozen=True, slots=True)
class Detachment:
    """Has the provider give up what was removed; `begin` opens a transaction of its own."""

    begin: Callable[[], AbstractAsyncContextManager[Removal]]
    provider: Provider

    async def go_on(self, method_id: UUID) -> None:
        """Asks the provider; while it is away, it is asked again."""
        async with self.begin() as removal:
            method = await removal.removed(method_id)
        if method is None:
            return
        try:
            await self.provider.detach(method.reference)
        except Unavailable:
            # However long it is away: a delivery is given up some day, a new event never.
            async with self.begin() as removal:
                await removal.go_on(method_id, delay=removal.retry_after)
            return
        async with self.begin() as removal:
            await removal.finish(method_id)
