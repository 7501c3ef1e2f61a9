"""What is told about customers to other services."""

from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("customer.created", "customer.closed")
class CustomerState(Announced):
    """Which user a customer is: whoever reads of a customer in other events finds the user by it."""

    id: str
    user_id: str
