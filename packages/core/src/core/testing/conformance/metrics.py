"""What Prometheus finds."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from core.testing.conformance.places import Place

# Of every service; docs/operations.md says what each means.
FAMILIES = {
    "db_client_connection_count",
    "db_client_connection_max",
    "db_client_connection_pending_requests",
    "event_loop_lag_seconds",
    "http_server_active_requests",
    "http_server_request_duration_seconds",
    "inbox_events",
    "inbox_oldest_age_seconds",
    "log_lines_dropped",
    "outbox_events",
    "outbox_oldest_age_seconds",
}


class Metrics:
    async def test_the_metrics_are_those_of_every_service(self, place: Place) -> None:
        response = await place.inside.get("/metrics")
        assert (response.status_code, response.headers["content-type"].split(";")[0]) == (200, "text/plain")
        assert {family.name for family in text_string_to_metric_families(response.text)} >= FAMILIES

    async def test_a_request_is_counted_once_under_its_template(self, place: Place) -> None:
        before = await _counted(place.inside)
        await place.client.get("/v1/nothing-here")
        await place.client.get("/problems/not_found")
        grown = {labels: count - before.get(labels, 0) for labels, count in (await _counted(place.inside)).items()}
        assert grown["unmatched", "404"] == grown[f"{place.mount}/problems/{{code}}", "200"] == 1


async def _counted(client: httpx.AsyncClient) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families((await client.get("/metrics")).text)
    return {
        (sample.labels["http_route"], sample.labels["http_response_status_code"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "http_server_request_duration_seconds_count" and sample.labels["http_request_method"] == "GET"
    }
