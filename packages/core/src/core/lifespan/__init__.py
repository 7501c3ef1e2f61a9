"""What lives as long as the process: resources that open in order, and tasks that are supervised."""

from core.lifespan.beginning import begun, held_back
from core.lifespan.opener import Opener, StartupError
from core.lifespan.protocol import started
from core.lifespan.supervisor import Supervisor

__all__ = ["Opener", "StartupError", "Supervisor", "begun", "held_back", "started"]
