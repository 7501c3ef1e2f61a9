"""What is measured over HTTP: a service on core that reads and writes the rows for callers whose token it verifies."""

from pathlib import Path
from uuid import UUID

from sqlalchemy import bindparam, select

from bench.bare import Order
from bench.rows import POOL_SIZE, Row, RowRead
from core.application import ChassisApp, service
from core.database import Query
from core.dependencies import Caller, ClockDep, ReadSession, Session, idempotent
from core.errors import NotFound
from core.ids import new_id
from core.ports import Ports
from core.routing import Router
from core.settings import ServiceSettings

COLUMNS = (Row.id, Row.name, Row.amount_minor, Row.created_at)
ONE = Query(select(*COLUMNS).where(Row.id == bindparam("id")), RowRead)
LIST = Query(select(*COLUMNS).order_by(Row.id).limit(100), RowRead)

rows = Router(prefix="/rows", tags=["rows"])


@rows.get("")
async def list_rows(_: Caller, reads: ReadSession) -> list[RowRead]:
    """A hundred rows."""
    return await reads.all(LIST)


@rows.get("/{row_id}")
async def read_row(row_id: UUID, _: Caller, reads: ReadSession) -> RowRead:
    """One row."""
    row = await reads.first(ONE, id=row_id)
    if row is None:
        raise NotFound
    return row


@rows.post("", status_code=201)
async def add_row(order: Order, _: Caller, session: Session, clock: ClockDep) -> Order:
    """Writes one row."""
    session.add(Row(id=new_id(), name=order.reference, amount_minor=order.price_minor, created_at=clock.now()))
    return order


@rows.post("/once", status_code=201)
@idempotent
async def add_row_once(order: Order, _: Caller, session: Session, clock: ClockDep) -> Order:
    """The same, idempotent."""
    return await add_row(order, _, session, clock)


class Settings(ServiceSettings, env_prefix="BENCH_"):
    """What every service can be told."""


def settings_for(database_url: str, folder: Path) -> Settings:
    """A laptop's: they alone let a token be signed on this machine. All else is as in production."""
    return Settings.model_validate(
        {
            "environment": "local",
            "database": {"url": database_url, "pool_size": POOL_SIZE, "read_pool_size": POOL_SIZE},
            "mail": {"url": f"file:{folder}/mail"},
            "cors": {"allow_origins": ["https://app.example"]},
            "data_dir": str(folder),
            "logs": {"format": "json"},
        }
    )


def create_app(database_url: str, folder: Path) -> ChassisApp:
    """The service."""
    return service("bench", settings_for(database_url, folder), Ports(), routers=[rows])
