"""Every way out of a service: operations that fail in each way there is, and what a client and the log make of it."""

from core.testing.exits.layer import FailingLayer
from core.testing.exits.operations import exits
from core.testing.exits.table import AFTERWARDS, CUT_SHORT, EXITS, Exit
from core.testing.exits.transactions import transactions

__all__ = ["AFTERWARDS", "CUT_SHORT", "EXITS", "Exit", "FailingLayer", "exits", "transactions"]
