"""An application that a test serves in its own loop."""

import pytest

from core.lifespan import StartupError
from core.settings import ServerSettings
from core.testing.network import free_port
from core.testing.serving import serving


async def broken(_scope, receive, _send):
    await receive()
    raise StartupError("The tea does not open.")


async def reluctant(_scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed"})


@pytest.mark.parametrize(("app", "says"), [(broken, "The tea does not open."), (reluctant, "did not start")])
async def test_what_does_not_start_fails_the_test_and_does_not_end_the_run(app, says):
    with pytest.raises(StartupError, match=says):
        async with serving(app, ServerSettings(), port=free_port()):
            pytest.fail("it is served")
