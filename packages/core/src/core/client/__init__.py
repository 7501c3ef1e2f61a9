"""Calling a sibling service: one httpx client each, the same whether it is in this process or behind a network."""

from core.client.clients import Clients, Upstream, open_clients
from core.client.in_process import InProcess
from core.client.retrying import Retrying

__all__ = ["Clients", "InProcess", "Retrying", "Upstream", "open_clients"]
