"""Payment methods over HTTP."""

from operator import attrgetter

from billing.customers.dependencies import UserId
from billing.payments.dependencies import PaymentMethodsDep, PaymentMethodViewsDep
from billing.payments.schemas import PaymentMethodCreate, PaymentMethodRead
from core.dependencies import PageDep, RequestKey, idempotent
from core.routing import Router
from core.web.pages import PageOf

router = Router(prefix="/v1/payment-methods", tags=["payment_methods"])


@router.post("", status_code=201)
@idempotent
async def add_payment_method(
    body: PaymentMethodCreate, user_id: UserId, methods: PaymentMethodsDep, request_key: RequestKey
) -> PaymentMethodRead:
    return PaymentMethodRead.of(await methods.add(user_id=user_id, request_key=request_key, **dict(body)))


@router.get("")
async def list_payment_methods(
    user_id: UserId, page: PageDep, payments: PaymentMethodViewsDep
) -> PageOf[PaymentMethodRead]:
    methods = await payments.methods(user_id=user_id, after=page.after, limit=page.limit)
    return page.of(methods, item=PaymentMethodRead.of, position=attrgetter("created_at", "id"))
