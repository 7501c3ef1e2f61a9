"""What is done to give money back."""

from billing.refunds.service.refunds import RefundExceedsPayment, RefundNotFound, Refunds
from billing.refunds.service.steps import Refunding, RefundSettlement
from billing.refunds.service.views import RefundViews

__all__ = [
    "RefundExceedsPayment",
    "RefundNotFound",
    "RefundSettlement",
    "RefundViews",
    "Refunding",
    "Refunds",
]
