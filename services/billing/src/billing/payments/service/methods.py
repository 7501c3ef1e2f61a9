"""What customers pay with, and what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.customers.models import Customer
from billing.customers.service import CustomerClosed, Customers
from billing.payments.models import PaymentMethod, PaymentMethodView
from billing.payments.provider import Provider
from billing.payments.repository import PaymentQueries, PaymentRepository
from core.clock import Clock
from core.errors import Conflict, NotFound
from core.events import Events
from core.ids import format_id, new_id


class PaymentMethodNotFound(NotFound):
    """There is no such payment method."""

    code = "payment_method_not_found"


class PaymentMethodRequired(Conflict):
    """The customer has no payment method."""

    code = "payment_method_required"


@dataclass(frozen=True, slots=True)
class PaymentMethods:
    """What customers pay with."""

    repository: PaymentRepository
    customers: Customers
    provider: Provider
    events: Events
    clock: Clock

    async def add(self, *, user_id: UUID, provider_token: str, default: bool, request_key: UUID) -> PaymentMethod:
        """Keeps a payment method; a customer's first one becomes the default, asked for or not.

        `request_key` is the same for every attempt of one request, so that the provider keeps one method for all.

        Raises:
            PaymentMethodRefused: the provider does not know the token.
            CustomerClosed: the account is closed, or about to be.
        """
        # Before the first statement: no connection is held while the provider is asked.
        card = await self.provider.attach(provider_token, method_id=request_key)
        customer = await self.customers.locked(user_id)
        becomes_default = default or await self.repository.default_method(customer.id) is None
        if becomes_default:
            await self.repository.clear_default(customer.id)
        method = PaymentMethod(
            id=new_id(),
            customer_id=customer.id,
            reference=card.reference,
            brand=card.brand,
            last4=card.last4,
            is_default=becomes_default,
            created_at=self.clock.now(),
        )
        await self.repository.add(method)
        if customer.closing_at is not None:
            # The provider has it by now: the closing detaches it there before it is forgotten here.
            await self.customers.go_on_closing(customer)
            raise CustomerClosed
        if becomes_default:
            await self._try_again(customer)
        return method

    async def make_default(self, method_id: UUID, *, user_id: UUID) -> PaymentMethod:
        """Charges a method from now on, and at once for what is past due.

        Raises:
            PaymentMethodNotFound: the user has no such method.
            CustomerClosed: the account is closed, or about to be.
        """
        customer = await self.customers.buying(user_id)
        method = await self.chosen(customer, method_id)
        if not method.is_default:
            await self.repository.clear_default(customer.id)
            method.is_default = True
            await self.repository.flush()
        await self._try_again(customer)
        return method

    async def of(self, customer_id: UUID) -> Sequence[PaymentMethod]:
        """All of a customer that the provider may have, those that were removed included."""
        return await self.repository.methods(customer_id)

    async def remove(self, customer_id: UUID) -> None:
        """Forgets all that a customer has paid with; the provider has done so before."""
        await self.repository.remove_methods(customer_id)

    async def chosen(self, customer: Customer, method_id: UUID | None) -> PaymentMethod:
        """The method of this id, or the default.

        Raises:
            PaymentMethodNotFound: the customer has no such method.
            PaymentMethodRequired: none is named, and there is no default.
        """
        if method_id is not None:
            method = await self.repository.method(method_id, customer_id=customer.id)
            if method is None:
                raise PaymentMethodNotFound
            return method
        method = await self.repository.default_method(customer.id)
        if method is None:
            raise PaymentMethodRequired("Add a payment method, or name one.")
        return method

    async def _try_again(self, customer: Customer) -> None:
        """Has what is past due collected with the new default, after the commit: collection stands above."""
        customer_id = format_id("cus", customer.id)
        await self.events.emit("customer.retry_due", subject=f"{customer_id}/retry", data={"id": customer_id})


@dataclass(frozen=True, slots=True)
class PaymentMethodViews:
    """What customers read of their payment methods."""

    queries: PaymentQueries

    async def method(self, method_id: UUID, *, user_id: UUID) -> PaymentMethodView:
        """One of them.

        Raises:
            PaymentMethodNotFound: the user has no such method.
        """
        method = await self.queries.method(method_id, user_id)
        if method is None:
            raise PaymentMethodNotFound
        return method

    async def methods(
        self, *, user_id: UUID, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[PaymentMethodView]:
        return await self.queries.methods(user_id, after, limit)
