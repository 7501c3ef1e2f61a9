"""Runs one application in one process: uvicorn with every limit written out, and an exit that says what happened."""

from core.server.listening import ListenError, listen
from core.server.serving import EXIT_STARTUP, serve
from core.server.uvicorn_server import ChassisServer

__all__ = ["EXIT_STARTUP", "ChassisServer", "ListenError", "listen", "serve"]
