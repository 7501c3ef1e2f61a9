"""Problem documents (RFC 9457): one shape for every failure, one table of statuses, a page for each code."""

from core.web.problems.documents import MEDIA_TYPE, Problems
from core.web.problems.pages import problem_kinds, problem_pages
from core.web.problems.refusals import ERRORS_MAX, from_http, from_validation, pointer
from core.web.problems.statuses import STATUS, status_of

__all__ = [
    "ERRORS_MAX",
    "MEDIA_TYPE",
    "STATUS",
    "Problems",
    "from_http",
    "from_validation",
    "pointer",
    "problem_kinds",
    "problem_pages",
    "status_of",
]
