"""The versions of `/things`, side by side over one service; a request sees one of them, from path to shape."""

from example.things.router.v1 import router as v1
from example.things.router.v2 import router as v2

__all__ = ["v1", "v2"]
