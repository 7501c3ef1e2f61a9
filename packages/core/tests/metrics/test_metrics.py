"""What is registered is rendered, whatever its readers do; what would break a scrape is refused."""

import sys

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from core.metrics import Metrics


def families(metrics):
    text = generate_latest(metrics).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(metrics, name):
    return {tuple(each.labels.values()): each.value for each in families(metrics)[name].samples}


def test_a_counter_counts_by_its_labels():
    metrics = Metrics()
    runs = metrics.counter("job_runs_total", "Runs of jobs.", "job", "outcome")
    runs.add(job="sweep", outcome="succeeded")
    runs.add(2, outcome="failed", job="sweep")
    runs.add(job="sweep", outcome="failed")
    assert values(metrics, "job_runs") == {("sweep", "succeeded"): 1, ("sweep", "failed"): 3}
    family = families(metrics)["job_runs"]
    assert (family.type, family.documentation) == ("counter", "Runs of jobs.")
    assert family.samples[0].name == "job_runs_total"


def test_a_counter_without_labels_begins_at_zero():
    metrics = Metrics()
    metrics.counter("things_total", "Things.")
    assert values(metrics, "things") == {(): 0}


@pytest.mark.parametrize(
    "labels", [{}, {"job": "a"}, {"job": "a", "outcome": "b", "more": "c"}, {"job": "a", "x": "b"}]
)
def test_other_labels_than_a_counters_own_are_refused(labels):
    counter = Metrics().counter("job_runs_total", "Runs of jobs.", "job", "outcome")
    with pytest.raises(TypeError, match=r"\['job', 'outcome'\] wanted"):
        counter.add(**labels)


def test_a_counter_does_not_fall():
    with pytest.raises(ValueError, match="does not fall"):
        Metrics().counter("things_total", "Things.").add(-1)


def test_a_gauge_is_what_its_reader_says_when_it_is_asked():
    metrics = Metrics()
    depth: dict[tuple[str, ...], float] = {("a",): 1.0}
    metrics.gauge("depth", "Depth.", lambda: depth, "queue")
    metrics.gauge("height", "Height.", lambda: 1.5)
    metrics.counted("lost_total", "Lost.", lambda: 7)
    depth["b",] = 2
    assert values(metrics, "depth") == {("a",): 1, ("b",): 2}
    assert values(metrics, "height") == {(): 1.5}
    assert (values(metrics, "lost"), families(metrics)["lost"].type) == ({(): 7}, "counter")


def broken():
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    "read",
    [broken, lambda: "no number", lambda: {(): None}, lambda: None],
    ids=["raises", "a text", "a value that is none", "none"],
)
def test_a_reader_that_fails_has_no_value_and_breaks_no_scrape(logs, read):
    metrics = Metrics()
    metrics.gauge("broken", "Broken.", read)
    metrics.gauge("height", "Height.", lambda: 1.5)
    assert (values(metrics, "broken"), values(metrics, "height")) == ({}, {(): 1.5})
    assert [line["metric"] for line in logs if line["event"] == "a metric cannot be read"] == ["broken"] * 2


def test_values_of_labels_are_text_and_cannot_break_a_line():
    metrics = Metrics()
    metrics.counter("things_total", "Things.", "thing").add(thing='a"b\\c\nd')
    metrics.gauge("sizes", "Sizes.", lambda: {(7,): 1}, "size")  # type: ignore[dict-item] - the mistake that is tested
    assert values(metrics, "things") == {('a"b\\c\nd',): 1}
    assert values(metrics, "sizes") == {("7",): 1}


def test_a_service_that_starts_again_counts_on_and_reads_anew():
    metrics = Metrics()
    metrics.counter("things_total", "Things.").add()
    metrics.gauge("height", "Height.", lambda: 1)
    metrics.counter("things_total", "Things.").add()
    metrics.gauge("height", "Height.", lambda: 2)
    assert (values(metrics, "things"), values(metrics, "height")) == ({(): 2}, {(): 2})


def test_one_name_has_one_meaning():
    metrics = Metrics()
    metrics.counter("things_total", "Things.", "kind")
    for refused in (
        lambda: metrics.counter("things_total", "Things."),
        lambda: metrics.counter("things_total", "Other things.", "kind"),
        lambda: metrics.gauge("things_total", "Things.", lambda: 1, "kind"),
    ):
        with pytest.raises(ValueError, match="things_total means something else already"):
            refused()


def test_a_name_that_would_break_every_scrape_is_refused():
    with pytest.raises(ValueError, match="name"):
        Metrics().gauge("", "Nothing.", lambda: 1)


async def test_who_accepts_openmetrics_gets_it():
    metrics = Metrics()
    metrics.counter("things_total", "Things.").add()
    metrics.requests.ended(method="GET", route="/v1", status=200, error=None, seconds=1)
    content, media_type = await metrics.render("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    assert {family.name for family in openmetrics(content.decode())} >= {
        "things",
        "http_server_request_duration_seconds",
    }


async def test_openmetrics_says_what_is_counted_in():
    metrics = Metrics()
    metrics.gauge("oldest_age_seconds", "Age.", lambda: 1)
    metrics.gauge("depth", "Depth.", lambda: 1)
    content, _ = await metrics.render("application/openmetrics-text;version=1.0.0")
    units = {family.name: family.unit for family in openmetrics(content.decode())}
    in_seconds = {"oldest_age_seconds", "http_server_request_duration_seconds"}
    assert {name: units[name] for name in (*in_seconds, "depth")} == {
        **dict.fromkeys(in_seconds, "seconds"),
        "depth": "",
    }


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
async def test_a_scrape_says_what_the_process_uses():
    content, _ = await Metrics().render()
    found = {family.name: family for family in text_string_to_metric_families(content.decode())}
    assert {name for name in found if name.startswith("process_")} == {
        "process_cpu_seconds",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
    }
    assert found["process_resident_memory_bytes"].samples[0].value > 1_000_000
