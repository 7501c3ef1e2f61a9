"""What uvicorn is told: it has defaults for what nobody tells it, and they change."""

import uvloop

from core.server.serving import configured
from core.settings import ServerSettings

LIMITS = {"backlog": 7, "keep_alive_s": 11, "graceful_timeout_s": 13}


def test_the_loop_is_uvloop_and_each_limit_is_a_setting():
    config = configured(_nothing, ServerSettings(port=1, termination_grace_s=60, **LIMITS))
    assert config.get_loop_factory() is uvloop.new_event_loop
    assert (config.backlog, config.timeout_keep_alive, config.timeout_graceful_shutdown) == (7, 11, 13)
    # It counts connections, which cost nothing while they wait.
    assert config.limit_concurrency is None
    assert config.reset_contextvars


async def _nothing(_scope, _receive, _send) -> None: ...
