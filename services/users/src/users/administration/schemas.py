"""What the API takes about other people's accounts."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from core.web.pages import Instant, PageQuery
from core.web.patches import MergePatch
from users.accounts.rules import normalised
from users.accounts.schemas import EmailAddress, RoleName, StatusName


def _of_a_user(roles: frozenset[RoleName]) -> frozenset[RoleName]:
    if "user" not in roles:
        raise ValueError("everybody is a user: the roles are `user` and those beside it")
    return roles


class UserQuery(PageQuery):
    """Which users to list."""

    status: StatusName | None = Field(default=None, description="Where the account stands.")
    role: RoleName | None = Field(default=None, description="A role that they have, among others.")
    email: Annotated[EmailAddress, AfterValidator(normalised)] | None = Field(
        default=None, description="The whole address, in any spelling that mail would reach."
    )
    created_at_gte: Instant | None = Field(default=None, description="Registered at this instant or later.")
    created_at_lt: Instant | None = Field(default=None, description="Registered before this instant.")


class UserPatch(MergePatch):
    """What to change of a user: what they may do, and whether they may sign in."""

    roles: Annotated[
        frozenset[RoleName], Field(json_schema_extra={"contains": {"const": "user"}}), AfterValidator(_of_a_user)
    ]
    status: Literal["active", "suspended"]
