"""What is believed of the things that are told of a refund."""

from billing.payments.models import RefundStatus

# News may come twice, late, and in any order: what says more is believed, so that the order makes no difference. A
# bank may send back what was given back already, to an account that is closed: a failure is the last word
# (docs.stripe.com/refunds, "Failed refunds").
_SAYS_MORE = {"processing": 0, "succeeded": 1, "failed": 2}


def supersedes(told: RefundStatus, known: RefundStatus) -> bool:
    """Whether what is told of a refund is more than what is known of it."""
    return _SAYS_MORE[told] > _SAYS_MORE[known]
