"""What a service finds in its resources, by type."""

import pytest
from example.settings import Settings

from core.lifespan import started
from core.resources import STATE, Resources
from core.settings import ServiceSettings


class OtherSettings(ServiceSettings, env_prefix="OTHER_"):
    """Those of no service."""


async def test_settings_are_reached_as_the_class_that_the_service_has(app, settings):
    async with started(app, name="example") as state:
        resources: Resources = state[STATE]
        assert resources.settings_as(Settings) is resources.settings_as(ServiceSettings) is settings
        with pytest.raises(TypeError, match="the settings are Settings, not OtherSettings"):
            resources.settings_as(OtherSettings)
