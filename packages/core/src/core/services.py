"""Finds the services that are installed here, by the entry point that each declares."""

import gc
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from sqlalchemy import MetaData

from core.application import ChassisApp
from core.events import events_metadata
from core.idempotency import idempotency_metadata
from core.jobs import jobs_metadata
from core.migrations import Migrations
from core.ports import Ports, Seed
from core.resources import Resources
from core.revocations import revocations_metadata
from core.settings import ServiceSettings

ENTRY_POINTS = "core.services"
# The tables that core keeps in the database of every service.
CHASSIS_TABLES: tuple[MetaData, ...] = (events_metadata, idempotency_metadata, jobs_metadata, revocations_metadata)


@dataclass(frozen=True)
class Service:
    """One installed service, by the contract that its `app` module keeps."""

    name: str
    module: str

    @cached_property
    def app(self) -> ModuleType:
        """The module with `create_app` and `Settings`; imported when first asked for."""
        return sys.modules.get(self.module) or _imported_to_stay(self.module)

    @property
    def settings(self) -> type[ServiceSettings]:
        """The class of its settings."""
        return self.app.Settings

    def create_app(self, settings: ServiceSettings, ports: Ports) -> ChassisApp:
        """Builds its application; opens nothing."""
        return self.app.create_app(settings, ports)

    @property
    def seed_local(self) -> Callable[[Resources, Seed], Awaitable[None]] | None:
        """What fills a fresh local system, if the service has anything to fill it with."""
        return getattr(self.app, "seed_local", None)

    @property
    def migrations(self) -> Migrations:
        """Its schema: its own tables and those that core keeps in every database."""
        self.app  # noqa: B018 - importing it defines the tables
        base: Any = import_module(f"{self.name}.tables").Base
        return Migrations(self.name, [base.metadata, *CHASSIS_TABLES], of_core=CHASSIS_TABLES)


def _imported_to_stay(module: str) -> ModuleType:
    """The module, with all that it imports set aside from the garbage collector.

    It stays as long as the process, and is a lot: to look through it again and again takes a third of the import.
    """
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def installed_services() -> list[Service]:
    """Every installed service, by name."""
    found = sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name)
    return [Service(point.name, point.value) for point in found]
