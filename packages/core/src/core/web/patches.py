"""Bodies of PATCH: JSON merge patches (RFC 7396)."""

from typing import Annotated, Any, TypeVar

from fastapi import Body
from pydantic import BaseModel, ConfigDict

MEDIA_TYPE = "application/merge-patch+json"

Patch = TypeVar("Patch", bound="MergePatch")


def _without_defaults(schema: dict[str, Any]) -> None:
    """What is absent stays as it is: no default takes its place."""
    for member in schema.get("properties", {}).values():
        member.pop("default", None)


class MergePatch(BaseModel):
    """A change: a member that is there replaces, null removes, and what is absent stays.

    A subclass declares its members as if they had to be there; one that may be removed has None among its types, and
    null is refused for the others.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_defaults)

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: Any) -> None:
        """Lets every member be absent; what it has then is never read."""
        for member in cls.model_fields.values():
            member.default = None
        cls.model_rebuild(force=True)

    def changes(self) -> dict[str, Any]:
        """The members that the request has, None for those that it removes."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


# `Merged[InvoicePatch]`, as the body of a handler; `application/json` is read as well.
Merged = Annotated[Patch, Body(media_type=MEDIA_TYPE)]
