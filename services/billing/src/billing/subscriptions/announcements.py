"""What is told about subscriptions to other services."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from core.events import Announced, Announcements

announcements = Announcements()

# By what a subscription came to where it is.
ANNOUNCED_AS: Mapping[str, str] = MappingProxyType(
    {
        "incomplete": "subscription.created",
        "trialing": "subscription.created",
        "active": "subscription.activated",
        "past_due": "subscription.past_due",
        "incomplete_expired": "subscription.expired",
        "canceled": "subscription.canceled",
    }
)


@announcements.tells(
    "subscription.created",
    "subscription.activated",
    "subscription.updated",
    "subscription.renewed",
    "subscription.past_due",
    "subscription.canceled",
    "subscription.expired",
)
class SubscriptionState(Announced):
    """What a customer has a right to and until when, for whoever lets them use it."""

    id: str
    customer_id: str
    plan_id: str
    price_id: str
    quantity: int
    status: Literal["incomplete", "incomplete_expired", "trialing", "active", "past_due", "canceled"]
    current_period_end: datetime
    cancel_at_period_end: bool
