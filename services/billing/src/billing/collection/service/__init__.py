"""What is done to collect what is owed."""

from billing.collection.service.collection import Collection, Follower
from billing.collection.service.steps import Begin, Collecting, Settlement, charge

__all__ = ["Begin", "Collecting", "Collection", "Follower", "Settlement", "charge"]
