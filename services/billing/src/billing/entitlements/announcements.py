"""What is told about entitlements to other services."""

from collections.abc import Mapping

from pydantic import StrictBool, StrictInt

from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("entitlements.updated")
class EntitlementsState(Announced):
    """All that a customer may use from now on: what is not in it, they may not."""

    customer_id: str
    user_id: str
    entitlements: Mapping[str, StrictBool | StrictInt]
