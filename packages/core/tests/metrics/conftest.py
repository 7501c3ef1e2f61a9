"""Reads an exposition as Prometheus does."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

Series = dict[tuple[str, ...], float]


@pytest.fixture
def scrape() -> Callable[..., Awaitable[Series]]:
    """`await scrape(client, "http_…_count", "http_route")`: the samples of that name, by the values of these labels."""

    async def read(client: httpx.AsyncClient, sample: str, *labels: str) -> Series:
        response = await client.get("/metrics")
        assert response.status_code == 200
        return {
            tuple(each.labels[label] for label in labels): each.value
            for family in text_string_to_metric_families(response.text)
            for each in family.samples
            if each.name == sample
        }

    return read
