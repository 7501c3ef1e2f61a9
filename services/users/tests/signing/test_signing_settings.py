"""What a start refuses of the times of signing keys."""

import pytest

from core.settings import ConfigurationError
from users.settings import Settings


@pytest.mark.parametrize(("reload_interval_s", "least_s"), [(10, 390), (60, 540)])
def test_a_key_that_would_sign_before_every_verifier_has_it_is_refused(reload_interval_s, least_s):
    def told(published_before_use_s):
        signing = {"reload_interval_s": reload_interval_s, "published_before_use_s": published_before_use_s}
        return Settings.model_validate(
            {"environment": "local", "database": {"url": "postgresql:///users?host=/tmp"}, "signing": signing}
        )

    assert told(least_s).signing.published_before_use_s == least_s
    with pytest.raises(ConfigurationError, match=rf"published_before_use_s must be at least {least_s}, so that every"):
        told(least_s - 1)


def test_by_default_a_key_is_published_for_ten_minutes_and_signs_for_ninety_days():
    signing = Settings.model_fields["signing"].default
    assert (signing.published_before_use_s, signing.replaced_after_days) == (600, 90)
