"""What is done with payment methods and payments."""

from billing.payments.service.attempts import Payments, refuse_unless_succeeded
from billing.payments.service.methods import PaymentMethods, PaymentMethodViews

__all__ = ["PaymentMethodViews", "PaymentMethods", "Payments", "refuse_unless_succeeded"]
