"""What is believed of the things that are told of a payment."""

from billing.payments.models import PaymentStatus

# News may come twice, late, and in any order: what says more is believed, so that the order makes no difference. A
# payment that was declined may still succeed, when its customer confirms it at the bank; what has succeeded stays so.
_SAYS_MORE = {"processing": 0, "requires_action": 1, "failed": 2, "succeeded": 3}


def supersedes(told: PaymentStatus, known: PaymentStatus) -> bool:
    """Whether what is told of a payment is more than what is known of it."""
    return _SAYS_MORE[told] > _SAYS_MORE[known]
