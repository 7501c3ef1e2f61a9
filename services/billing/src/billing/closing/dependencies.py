"""How the closing of customers is built: in a transaction, or around the provider."""

from datetime import timedelta
from functools import partial

from billing.closing.service import Closing, Detachment
from billing.collection import dependencies as collection
from billing.customers import dependencies as customers
from billing.payments import dependencies as payments
from billing.payments.provider import Provider
from billing.refunds import dependencies as refunds
from billing.settings import Settings
from billing.subscriptions import dependencies as subscriptions
from billing.transactions import own_transactions
from core.dependencies import Session
from core.idempotency import Claims
from core.resources import Resources


def build(session: Session, resources: Resources) -> Closing:
    """Closing in the transaction of `session`."""
    return Closing(
        customers=customers.build(session, resources),
        methods=payments.build_methods(session, resources),
        collection=collection.build(session, resources),
        refunds=refunds.build(session, resources),
        invoicing=subscriptions.build_invoicing(session, resources),
        standing=subscriptions.build_standing(session, resources),
        forget_answers=partial(Claims(resources.database).forget_caller, session),
        retry_after=timedelta(seconds=resources.settings_as(Settings).settle_after_s),
    )


def build_detachment(resources: Resources) -> Detachment:
    """What is done about the provider, between transactions of its own."""
    return Detachment(own_transactions(build, resources), resources[Provider])
