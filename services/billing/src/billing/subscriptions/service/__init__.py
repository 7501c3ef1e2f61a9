"""What is done with subscriptions.

A room for each thing that happens to one: `subscribing`, `changing` and `ending` on request, `previewing` what a change
would come to, `renewing` as time passes. They stand on `quoting` (what a change comes to, and what is refused),
`invoicing` (how lines come onto an invoice), `standing` (the states, each told) and `requests` (how a retry is known);
`views` is what is read.
"""

from billing.subscriptions.service.changing import Changes, Changing
from billing.subscriptions.service.ending import Ending, Endings, When
from billing.subscriptions.service.invoicing import Invoicing
from billing.subscriptions.service.previewing import Preview, Previews
from billing.subscriptions.service.quoting import Change, Quoting
from billing.subscriptions.service.renewing import Renewal, Renewing
from billing.subscriptions.service.requests import Requests
from billing.subscriptions.service.standing import Standing
from billing.subscriptions.service.subscribing import Order, Subscribing, Subscriptions
from billing.subscriptions.service.views import SubscriptionViews

__all__ = [
    "Change",
    "Changes",
    "Changing",
    "Ending",
    "Endings",
    "Invoicing",
    "Order",
    "Preview",
    "Previews",
    "Quoting",
    "Renewal",
    "Renewing",
    "Requests",
    "Standing",
    "Subscribing",
    "SubscriptionViews",
    "Subscriptions",
    "When",
]
