"""Payment methods and payments over HTTP."""

from operator import attrgetter

from billing.customers.dependencies import UserId
from billing.payments.dependencies import (
    PaymentMethodsDep,
    PaymentMethodViewsDep,
    PaymentPageDep,
    PaymentQueryDep,
    PaymentViewsDep,
    RemovalDep,
    may_read,
)
from billing.payments.models import PaymentId, PaymentMethodId
from billing.payments.schemas import PaymentMethodCreate, PaymentMethodRead, PaymentRead
from core.dependencies import PageDep, RequestKey, idempotent
from core.routing import Router
from core.web.pages import PageOf

methods_router = Router(prefix="/v1/payment-methods", tags=["payment_methods"])
payments_router = Router(prefix="/v1/payments", tags=["payments"], dependencies=[may_read])


@methods_router.post("", status_code=201)
@idempotent
async def add_payment_method(
    body: PaymentMethodCreate, user_id: UserId, methods: PaymentMethodsDep, request_key: RequestKey
) -> PaymentMethodRead:
    return PaymentMethodRead.of(await methods.add(user_id=user_id, request_key=request_key, **dict(body)))


@methods_router.get("")
async def list_payment_methods(
    user_id: UserId, page: PageDep, payments: PaymentMethodViewsDep
) -> PageOf[PaymentMethodRead]:
    methods = await payments.methods(user_id=user_id, after=page.after, limit=page.limit)
    return page.of(methods, item=PaymentMethodRead.of, position=attrgetter("created_at", "id"))


@methods_router.get("/{payment_method_id}")
async def read_payment_method(
    payment_method_id: PaymentMethodId, user_id: UserId, methods: PaymentMethodViewsDep
) -> PaymentMethodRead:
    return PaymentMethodRead.of(await methods.method(payment_method_id, user_id=user_id))


@methods_router.delete("/{payment_method_id}", status_code=204)
async def remove_payment_method(payment_method_id: PaymentMethodId, user_id: UserId, removal: RemovalDep) -> None:
    """Removes a payment method that nothing is paid with; was it the default, there is none until another is named."""
    await removal.remove(payment_method_id, user_id=user_id)


@methods_router.post("/{payment_method_id}/default")
@idempotent
async def make_default(
    payment_method_id: PaymentMethodId, user_id: UserId, methods: PaymentMethodsDep
) -> PaymentMethodRead:
    """Charges this payment method from now on, and at once for what is past due."""
    return PaymentMethodRead.of(await methods.make_default(payment_method_id, user_id=user_id))


@payments_router.get("")
async def list_payments(query: PaymentQueryDep, page: PaymentPageDep, payments: PaymentViewsDep) -> PageOf[PaymentRead]:
    rows = await payments.page(query.filters(), after=page.after, limit=page.limit)
    return page.of(rows, item=PaymentRead.of, position=attrgetter("created_at", "id"))


@payments_router.get("/{payment_id}")
async def read_payment(payment_id: PaymentId, payments: PaymentViewsDep) -> PaymentRead:
    return PaymentRead.of(await payments.one(payment_id))
