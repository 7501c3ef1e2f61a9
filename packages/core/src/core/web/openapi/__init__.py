"""The OpenAPI document of a service: what handlers and dependencies add to it, how it is completed and served."""

from core.web.openapi.document import openapi_of, rendered
from core.web.openapi.documentation import documentation_routes
from core.web.openapi.documented import documented, documented_by

__all__ = ["documentation_routes", "documented", "documented_by", "openapi_of", "rendered"]
