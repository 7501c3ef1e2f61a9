"""What the API takes and gives about one's own account."""

from typing import Annotated

from pydantic import Field

from core.web.patches import MergePatch
from core.web.text import Line, Text
from users.accounts.models import User
from users.accounts.schemas import Locale, UserRead
from users.profile.repository import ProfileRow
from users.profile.rules import METADATA_KEYS_MAX

KEY_CHARACTERS_MAX = 40
MetadataKey = Annotated[Line, Field(max_length=KEY_CHARACTERS_MAX)]
MetadataValue = Annotated[Text, Field(max_length=500)]
MetadataChanges = Annotated[
    dict[MetadataKey, MetadataValue | None],
    Field(
        max_length=METADATA_KEYS_MAX,
        # Of what keys are, pydantic tells the pattern alone, and that as if any other key might have any value.
        json_schema_extra={"propertyNames": {"maxLength": KEY_CHARACTERS_MAX}, "additionalProperties": False},
    ),
]


class ProfilePatch(MergePatch):
    """What the owner of an account decides about it; roles, status and address are not among it."""

    name: Line | None
    locale: Locale | None
    metadata: MetadataChanges | None = Field(
        description=f"Texts that a client keeps with the account, at most {METADATA_KEYS_MAX}; null removes one."
    )


class ProfileRead(UserRead):
    """A user, as they see themselves."""

    metadata: Annotated[
        dict[str, str], Field(validation_alias="metadata_", description="What a client keeps with the account.")
    ]

    @classmethod
    def own(cls, user: User | ProfileRow) -> "ProfileRead":
        """What the API shows of a user to themselves."""
        return cls.model_validate(user, from_attributes=True)
