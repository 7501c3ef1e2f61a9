"""How what serves a request about widgets is built: for who is signed in, whose they are."""

from typing import Annotated

from fastapi import Depends

from acme.widgets.repository import WidgetQueries, WidgetRepository
from acme.widgets.service import Widgets, WidgetViews
from core.dependencies import Caller, ClockDep, ReadSession, Session


async def _widgets(caller: Caller, session: Session, clock: ClockDep) -> Widgets:
    return Widgets(WidgetRepository(session, caller.subject), clock, caller.subject)


async def _views(caller: Caller, reads: ReadSession) -> WidgetViews:
    return WidgetViews(WidgetQueries(reads, caller.subject))


WidgetsDep = Annotated[Widgets, Depends(_widgets)]
WidgetViewsDep = Annotated[WidgetViews, Depends(_views)]
