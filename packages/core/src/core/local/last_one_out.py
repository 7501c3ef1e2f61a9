"""Stops a server when its last user is gone, killed ones included: `python -m core.local.last_one_out ROOT MAJOR`.

For a server with several users no user's death may end it, and not every system can tie one process to another.
"""

import os
import sys
import time
from pathlib import Path

from core.local.cluster import Cluster
from core.local.locks import locked

LOOK_S = 0.1


def stop_when_unused(cluster: Cluster) -> None:
    """Wait for the last user to leave, and stop the server if it has not been stopped."""
    # To wait for the lock itself would be to hold it for a moment, and to look like a user to one who just leaves.
    while cluster.users.exists():
        with locked(cluster.turn):
            if not cluster.is_alive():
                return
            if not cluster.is_used():
                cluster.shut_down()
                return
        time.sleep(LOOK_S)


if __name__ == "__main__" and os.fork() == 0:
    # The parent ends at once and can be waited for; nobody has to collect the child.
    stop_when_unused(Cluster(Path(sys.argv[1]), int(sys.argv[2])))
