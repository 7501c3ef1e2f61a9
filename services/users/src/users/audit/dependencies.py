"""How the audit trail is opened in a transaction."""

from core.dependencies import Session
from core.resources import Resources
from core.telemetry.exchange import request_id
from users.audit.repository import AuditRepository
from users.audit.service import Audit


def build(session: Session, resources: Resources) -> Audit:
    """The trail, in the transaction of `session`."""
    return Audit(repository=AuditRepository(session), clock=resources.clock, request_id=request_id())
