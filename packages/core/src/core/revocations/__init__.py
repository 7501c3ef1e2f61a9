"""The denylist: sessions that another service has ended, whose access tokens are refused here without a query."""

from core.revocations.denylist import Denylist, open_denylist
from core.revocations.forgetting import forget_revoked
from core.revocations.hearing import hearing_of
from core.revocations.tables import revocations_metadata

__all__ = ["Denylist", "forget_revoked", "hearing_of", "open_denylist", "revocations_metadata"]
