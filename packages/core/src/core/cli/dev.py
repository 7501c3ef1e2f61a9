"""`billing dev`: the service alone on a laptop, with its own embedded PostgreSQL, restarted when its code changes."""

import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

import core
from core.cli.serve import Host, Port, run
from core.ports import Ports
from core.server import listen
from core.services import Service
from core.settings import Loaded

if TYPE_CHECKING:
    from core.local.host import LocalHost

PORT_DEFAULT = 8000
HOST_DEFAULT = "127.0.0.1"


def dev(context: typer.Context, host: Host = HOST_DEFAULT, port: Port = PORT_DEFAULT) -> None:
    """Serve this service alone with an embedded PostgreSQL, and again whenever its code changes."""
    from core.local.host import LocalHost, say
    from core.local.reloading import serve_reloading

    service: Service = context.obj
    host, port = host or HOST_DEFAULT, port or PORT_DEFAULT
    local_host = LocalHost.at(service.name, data_dir(service.name))
    with listen(host, port) as listener, local_host.running():
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        local_host.prepare(service, _load(local_host, service, url))
        say(f"{service.name} at {url}, documentation at {url}/docs; its data is in {local_host.directory.path}")
        say(f"A token for it: {service.name} token --role admin")
        child = partial(_serve_child, service.name, url)
        watched = [Path(str(module.__file__)).parent for module in (core, service.app)]
        serve_reloading(child, listener=listener, watched=watched)


def data_dir(name: str) -> Path | None:
    """Where the variable `<NAME>_DATA_DIR` wants the data of a host, if it is set."""
    path = os.environ.get(f"{name.upper()}_DATA_DIR")
    return Path(path) if path else None


def _load(local_host: "LocalHost", service: Service, url: str) -> Loaded:
    return local_host.load(service, url=url, siblings={})


def _serve_child(name: str, url: str, sockets: list[socket.socket] | None) -> None:
    from core.cli.failures import clear_failures
    from core.local.host import LocalHost
    from core.local.reloading import end_with_parent

    end_with_parent()
    (listener,) = sockets or []
    with clear_failures():
        service = Service(name, f"{name}.app")
        settings = _load(LocalHost.at(name, data_dir(name)), service, url).settings
        code = run(service.create_app(settings, Ports()), listener)
    sys.exit(code)
