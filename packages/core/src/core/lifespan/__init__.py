"""What lives as long as the process: resources that open in order, and tasks that are supervised."""

from core.lifespan.beginning import begun, held_back
from core.lifespan.closing import Closing, closing_by, current_closing
from core.lifespan.opener import Opener, StartupError
from core.lifespan.protocol import started
from core.lifespan.supervisor import Supervisor

__all__ = [
    "Closing",
    "Opener",
    "StartupError",
    "Supervisor",
    "begun",
    "closing_by",
    "current_closing",
    "held_back",
    "started",
]
