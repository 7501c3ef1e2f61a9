"""Decisions about a profile: what a change makes of it."""

from collections.abc import Mapping
from typing import Any

from core.errors import FieldError, Invalid
from core.merge_patches import patched

# What an account has room for; beyond it a client needs a place of its own.
METADATA_KEYS_MAX = 50


def merged(profile: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The profile as a merge patch leaves it: what is removed is None, and metadata an object that may be empty.

    Raises:
        Invalid: there would be too much metadata.
    """
    after = {"name": None, "locale": None, "metadata": {}} | patched(profile, patch)
    if (keys := len(after["metadata"])) > METADATA_KEYS_MAX:
        detail = f"It would have {keys} keys; an account has room for {METADATA_KEYS_MAX}."
        raise Invalid(detail, (FieldError("#/metadata", "too_long", detail),))
    return after
