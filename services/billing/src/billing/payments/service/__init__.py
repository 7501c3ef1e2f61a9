"""What is done with payment methods and payments."""

from billing.payments.service.attempts import (
    PaymentInProgress,
    PaymentNotFound,
    Payments,
    refuse_unless_succeeded,
)
from billing.payments.service.methods import (
    PaymentMethodRequired,
    PaymentMethods,
    PaymentMethodViews,
)
from billing.payments.service.removal import Detachment, MethodUser, Removal
from billing.payments.service.views import PaymentViews

__all__ = [
    "Detachment",
    "MethodUser",
    "PaymentInProgress",
    "PaymentMethodRequired",
    "PaymentMethodViews",
    "PaymentMethods",
    "PaymentNotFound",
    "PaymentViews",
    "Payments",
    "Removal",
    "refuse_unless_succeeded",
]
