"""What is done with subscriptions."""

from billing.subscriptions.service.standing import Standing
from billing.subscriptions.service.subscribing import Order, Subscribing, Subscriptions
from billing.subscriptions.service.views import SubscriptionViews

__all__ = ["Order", "Standing", "Subscribing", "SubscriptionViews", "Subscriptions"]
