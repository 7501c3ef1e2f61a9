"""Where what a request made can be read (RFC 9110, sections 10.2.2 and 15.3.2)."""

from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import quote

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from core.dependencies.resources import ResourcesDep
from core.web.openapi import documented

Made = TypeVar("Made", bound=BaseModel)


def path_of(request: Request) -> str:
    """The path as the service knows it: the same mounted or not."""
    return request.url.path.removeprefix(request.scope.get("root_path", ""))


@dataclass(frozen=True, slots=True)
class Creation:
    """Puts `Location` on the answer of a POST to a collection whose members are read below it by their id."""

    public_url: str
    collection: str
    response: Response

    def __call__(self, made: Made) -> Made:
        """The same, with its place told; it has an `id`."""
        path = f"{self.collection}/{made.model_dump(mode='json', include={'id'})['id']}"
        # Decoded on its way in: a header takes neither a line end nor what is not ASCII.
        self.response.headers["Location"] = self.public_url + quote(path)
        return made


@documented(headers=["Location"])
async def _creation(request: Request, response: Response, resources: ResourcesDep) -> Creation:
    return Creation(resources.settings.public_url, path_of(request), response)


Created = Annotated[Creation, Depends(_creation)]
