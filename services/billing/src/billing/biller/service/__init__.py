"""How what is due is worked off, and how far that has come."""

from billing.biller.service.billing import Biller
from billing.biller.service.meters import Meters

__all__ = ["Biller", "Meters"]
