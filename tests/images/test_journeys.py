"""The journeys of tests/system, through the edge of the stack; `product` is this folder's."""

from test_journey import (
    admin,
    price,
    test_a_refreshed_token_works_and_the_signed_out_session_gives_no_more,
    test_somebody_registers_subscribes_pays_and_leaves,
    test_the_second_invoice_has_the_next_number,
)
from test_subscription_journey import (
    subscriber,
    test_a_subscription_is_changed_is_not_paid_is_paid_again_and_ends_with_its_owner,
)

__all__ = [
    "admin",
    "price",
    "subscriber",
    "test_a_refreshed_token_works_and_the_signed_out_session_gives_no_more",
    "test_a_subscription_is_changed_is_not_paid_is_paid_again_and_ends_with_its_owner",
    "test_somebody_registers_subscribes_pays_and_leaves",
    "test_the_second_invoice_has_the_next_number",
]
