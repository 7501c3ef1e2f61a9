"""What a command on a laptop relies on: a database of its own or another's, and a child that does not stay behind."""

import os
import signal
import sys

import pytest

from core.local import reloading
from core.local.host import LocalHost
from core.local.reloading import end_with_parent


@pytest.mark.parametrize("elsewhere_", [False, True])
def test_a_service_may_keep_its_data_elsewhere(service, postgres, elsewhere, monkeypatch, elsewhere_):
    """Its own database is made for it; one that its settings name has to be there."""
    host = LocalHost(LocalHost.at("example", elsewhere / "data").directory, postgres)
    asked: list[str] = []
    monkeypatch.setattr("core.local.postgres.Postgres.create_database", lambda _self, name: asked.append(name))

    async def upgraded(_self, url):
        asked.append(url)

    async def freed(url):
        asked.append(f"free {url}")

    monkeypatch.setattr("core.migrations.Migrations.upgrade", upgraded)
    monkeypatch.setattr("core.local.host.free_leases", freed)
    url = "postgresql://db.invalid/example" if elsewhere_ else postgres.url("example")
    if elsewhere_:
        monkeypatch.setenv("EXAMPLE_DATABASE__URL", url)
    host.prepare(service, host.load(service, url="http://127.0.0.1:8000", siblings={"users": "http://users.test"}))
    assert asked == ([url] if elsewhere_ else ["example", url, f"free {url}"])


def test_a_service_on_a_laptop_knows_where_the_others_are(service, elsewhere):
    host = LocalHost.at("example", elsewhere / "data")
    settings = host.load(service, url="http://127.0.0.1:8000", siblings={"users": "http://users.test"}).settings
    assert settings.clients["users"].url == "http://users.test"
    assert settings.mail.url.get_secret_value() == f"file:{elsewhere}/data/mail"
    again = host.load(service, url="http://127.0.0.1:8000", siblings={}).settings
    assert settings.secret_key == again.secret_key


@pytest.fixture
def killed(monkeypatch):
    """The signals that a process sends itself; they do not arrive."""
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(reloading.os, "kill", lambda *sent: signals.append(sent))
    return signals


def test_a_child_whose_parent_has_died_meanwhile_ends(monkeypatch, killed):
    parents = iter([4711, 1])
    monkeypatch.setattr(reloading.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(reloading.ctypes, "CDLL", _Libc)
    end_with_parent()
    assert killed == [(os.getpid(), signal.SIGTERM)]


def test_where_the_kernel_cannot_tell_nothing_is_asked_of_it(monkeypatch, killed):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(reloading.ctypes, "CDLL", None)
    end_with_parent()
    assert killed == []


class _Libc:
    """A C library whose prctl does nothing: the tests' own process is not to end with its parent."""

    def __init__(self, _name: None) -> None:
        self.prctl = lambda *_: 0
