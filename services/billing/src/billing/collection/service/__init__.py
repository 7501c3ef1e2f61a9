"""What is done to collect what is owed."""

from billing.collection.service.collection import Collection, Follower
from billing.collection.service.steps import Collecting, charge
from billing.collection.service.unattended import Unattended
from billing.collection.service.waiving import Waiving

__all__ = ["Collecting", "Collection", "Follower", "Unattended", "Waiving", "charge"]
