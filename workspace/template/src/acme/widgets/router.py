"""The URLs of widgets."""

from operator import attrgetter

from fastapi import Depends

from acme.widgets.dependencies import WidgetsDep, WidgetViewsDep
from acme.widgets.schemas import WidgetClearance, WidgetCreate, WidgetId, WidgetPatch, WidgetRead
from core.dependencies import Conditional, Created, ETag, IfMatch, PageDep, idempotent, limited
from core.routing import Router
from core.web.pages import PageOf
from core.web.patches import Merged

router = Router(prefix="/v1/widgets", tags=["widgets"])


@router.post("", status_code=201, dependencies=[Depends(limited("60/minute", by="caller"))])
@idempotent
async def make_widget(body: WidgetCreate, widgets: WidgetsDep, created: Created, etag: ETag) -> WidgetRead:
    """Makes one, which belongs to the caller."""
    widget = await widgets.make(name=body.name, note=body.note)
    etag.set(widget.version)
    return created(WidgetRead.of(widget))


@router.get("")
async def list_widgets(views: WidgetViewsDep, page: PageDep) -> PageOf[WidgetRead]:
    """Lists the caller's own, the oldest first."""
    rows = await views.page(after=page.after, limit=page.limit)
    return page.of(rows, item=WidgetRead.of, position=attrgetter("created_at", "id"))


@router.delete("", status_code=202)
async def clear_widgets(widgets: WidgetsDep) -> WidgetClearance:
    """Removes all of the caller's own, soon after the answer."""
    return WidgetClearance(until=await widgets.clear())


@router.get("/{widget_id}")
async def read_widget(widget_id: WidgetId, views: WidgetViewsDep, conditional: Conditional) -> WidgetRead:
    """Shows one of the caller's own."""
    widget = await views.one(widget_id)
    conditional.check(widget.version)
    return WidgetRead.of(widget)


@router.patch("/{widget_id}")
async def change_widget(
    widget_id: WidgetId, patch: Merged[WidgetPatch], widgets: WidgetsDep, if_match: IfMatch, etag: ETag
) -> WidgetRead:
    """Changes one of the caller's own."""
    widget = await widgets.change(widget_id, if_match, patch.changes())
    etag.set(widget.version)
    return WidgetRead.of(widget)


@router.delete("/{widget_id}", status_code=204)
async def remove_widget(widget_id: WidgetId, widgets: WidgetsDep, if_match: IfMatch) -> None:
    """Removes one of the caller's own."""
    await widgets.remove(widget_id, if_match)
