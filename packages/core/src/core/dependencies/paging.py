"""The page that a list request asks for."""

from typing import Annotated

from fastapi import Depends, Query, Request

from core.dependencies.resources import ResourcesDep
from core.web.pages import Page, PageQuery, decode_cursor


async def _page(request: Request, resources: ResourcesDep, query: Annotated[PageQuery, Query()]) -> Page:
    return page(request, resources, query)


PageDep = Annotated[Page, Depends(_page)]


def page(request: Request, resources: ResourcesDep, query: PageQuery) -> Page:
    """The page that `query` asks for; a list with filters calls this with its own kind of PageQuery.

    Raises:
        InvalidCursor: the cursor is not one of this list with these filters.
    """
    filters = query.model_dump(mode="json", exclude={"limit", "cursor"}) | request.path_params
    binding = f"{request.scope['route'].path}?{sorted(filters.items())}"
    key = resources.page_key
    after = None if query.cursor is None else decode_cursor(query.cursor, key=key, binding=binding)
    return Page(limit=query.limit, after=after, key=key, binding=binding)
