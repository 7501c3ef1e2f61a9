"""Installed services are found by what their distributions declare, and imported when they are asked for."""

import gc
import sys

import pytest

from core.ports import Ports
from core.services import Service, installed_services

ENTRY_POINTS = "[core.services]\nzebra = zebra.app\naard = aard.app\n[console_scripts]\nzebra = zebra:main\n"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Two services that are installed; importing one is an error."""
    metadata = tmp_path / "services-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: services\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "zebra").mkdir()
    (tmp_path / "zebra" / "app.py").write_text("raise ImportError('imported')")
    monkeypatch.syspath_prepend(tmp_path)


def test_services_are_found_by_their_entry_points_and_not_imported(installed):
    found = [each for each in installed_services() if each.name in {"zebra", "aard"}]
    assert found == [Service("aard", "aard.app"), Service("zebra", "zebra.app")]
    assert "zebra" not in sys.modules
    with pytest.raises(ImportError, match="imported"):
        found[1].app  # noqa: B018 - asked for, it is imported


def test_a_service_gives_its_settings_its_application_and_its_schema(service):
    settings = service.settings(environment="local", database={"url": "postgresql://localhost/d"})
    assert type(settings).__module__ == "example.settings"
    assert service.create_app(settings, Ports()).title == "example"
    tables = {table for metadata in service.migrations.metadata for table in metadata.tables}
    # Its own, and those that core keeps in every database.
    assert {"things", "outbox", "inbox", "idempotency_keys"} <= tables


@pytest.fixture
def ocelot(tmp_path, monkeypatch):
    """Writes a module that nobody has imported yet."""
    monkeypatch.syspath_prepend(tmp_path)
    yield (tmp_path / "ocelot.py").write_text
    gc.unfreeze()
    sys.modules.pop("ocelot", None)


def test_what_is_imported_is_set_aside_from_the_garbage_collector(ocelot):
    ocelot("import gc\ncollected = gc.isenabled()")
    gc.unfreeze()
    module = Service("ocelot", "ocelot").app
    assert not module.collected
    assert gc.get_freeze_count() > 0
    assert gc.isenabled()


def test_the_garbage_collector_goes_on_after_an_import_that_failed(ocelot):
    ocelot("raise ImportError('imported')")
    with pytest.raises(ImportError, match="imported"):
        Service("ocelot", "ocelot").app  # noqa: B018 - asked for, it is imported
    assert gc.isenabled()


def test_what_was_imported_before_sets_nothing_aside(ocelot):
    ocelot("")
    module = Service("ocelot", "ocelot").app
    gc.unfreeze()
    assert Service("ocelot", "ocelot").app is module
    assert gc.get_freeze_count() == 0


def test_a_service_may_have_something_to_fill_a_fresh_system_with(service, monkeypatch):
    assert service.seed_local is None

    async def seed(_resources, _seed): ...

    monkeypatch.setattr(service.app, "seed_local", seed, raising=False)
    assert service.seed_local is seed
