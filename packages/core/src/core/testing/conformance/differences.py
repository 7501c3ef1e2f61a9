"""What differs behind the edge, all of it: what it answers itself, and what of the suite does not ask it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

# Of a connection and not of an answer (RFC 9110, section 7.6.1), of a moment, or what a server says of itself.
OF_A_HOP = frozenset({"connection", "date", "keep-alive", "server", "server-timing", "transfer-encoding", "via"})

# Ways out of core.testing.exits that end at the edge: no byte of such a body has to reach a service.
AT_THE_EDGE: Mapping[str, tuple[int, str]] = {
    "a large body": (413, "content_too_large"),
    "a body that grows": (413, "content_too_large"),
    "a body that grows, read by the handler": (413, "content_too_large"),
}

# Heads that Caddy refuses while it reads them, in one line of plain text: to it they are no HTTP. By their names in
# core.testing.conformance.hostile and core.testing.exits.
NO_HTTP: Mapping[str, int] = {
    "a long one": 431,
    "an id of two lines": 400,
    "an origin that is none": 400,
    "a key that is no text": 400,
    "no length": 400,
    "a negative length": 400,
    "a length without end": 400,
    "a length of another alphabet": 400,
    "two lengths": 400,
    "an expectation": 417,
    "a length that is no number": 400,
}

_without_seconds_left = re.compile(r";t=\d+").sub
_NO_REQUEST = "it sends no request"
_BUFFERED = "the edge reads a body before it asks the service: see test_a_body_that_breaks_off_ends_at_the_edge"

# By the name of the test, why it does not run there.
NOT_BEHIND_THE_EDGE: Mapping[str, str] = {
    "test_before_its_body_is_read": _BUFFERED,
    "test_while_its_body_is_read": _BUFFERED,
    "test_what_is_declared_about_events_is_consistent": _NO_REQUEST,
    "test_each_kind_of_thing_can_be_told_again": _NO_REQUEST,
    "test_the_committed_document_is_what_the_code_says": _NO_REQUEST,
    "test_every_operation_says_who_may_call_it_and_how_it_refuses": _NO_REQUEST,
    "test_every_operation_has_an_id_of_its_tag_and_handler": _NO_REQUEST,
    "test_every_answer_documents_its_request_id": _NO_REQUEST,
    "test_nothing_large_is_said_twice": _NO_REQUEST,
    "test_models_and_migrated_schema_are_equal": _NO_REQUEST,
    "test_each_test_runs_behind_the_edge_or_says_why_not": _NO_REQUEST,
    "test_what_opens_serves_or_tests_the_service_is_not_imported_with_it": _NO_REQUEST,
    "test_no_secret_is_shown_by_settings_or_commands": _NO_REQUEST,
    "test_no_secret_is_in_the_text_of_a_failed_boot": _NO_REQUEST,
    "test_no_secret_is_told_of_a_database_that_lets_nobody_in": _NO_REQUEST,
    "test_the_served_document_is_the_same_everywhere": "its bytes are compared by the topic parity",
    "test_answers_are_what_the_document_says": "what it draws is about the service; it would take as long again",
}


def told(logs: Iterable[Mapping[str, Any]]) -> list[int]:
    """The statuses of the access lines; the edge asks by itself whether the service is ready, which is not meant."""
    return [line["status"] for line in logs if line["event"] == "request" and line["route"] != "/readyz"]


def seen(response: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All that is the same in every topology, for one request with one id."""
    answered = ((name, value) for name, value in response.headers.multi_items() if name not in OF_A_HOP)
    headers = sorted(
        (name, _without_seconds_left("", value) if name == "ratelimit" else value) for name, value in answered
    )
    return response.status_code, headers, response.content
