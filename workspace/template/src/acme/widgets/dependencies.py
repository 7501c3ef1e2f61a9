"""How what serves a request about widgets is built: for who is signed in, whose they are."""

from typing import Annotated

from fastapi import Depends

from acme.widgets.repository import EveryWidget, WidgetQueries, WidgetRepository
from acme.widgets.service import WidgetReplay, Widgets, WidgetViews
from core.dependencies import Caller, ReadSession, ResourcesDep, Session
from core.resources import Resources


def build(session: Session, resources: Resources, *, owner: str) -> Widgets:
    return Widgets(WidgetRepository(session, owner), resources.events(session), resources.clock, owner)


def build_replay(session: Session, resources: Resources) -> WidgetReplay:
    return WidgetReplay(EveryWidget(session), resources.events(session))


async def _widgets(caller: Caller, session: Session, resources: ResourcesDep) -> Widgets:
    return build(session, resources, owner=caller.subject)


async def _views(caller: Caller, reads: ReadSession) -> WidgetViews:
    return WidgetViews(WidgetQueries(reads, caller.subject))


WidgetsDep = Annotated[Widgets, Depends(_widgets)]
WidgetViewsDep = Annotated[WidgetViews, Depends(_views)]
