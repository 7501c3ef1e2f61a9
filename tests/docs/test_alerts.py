"""deploy/observability and docs/operations.md agree: alerts are of metrics that there are, and each has its row."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.services import installed_services

ROOT = Path(__file__).parents[2]
OBSERVABILITY = ROOT / "deploy" / "observability"
OPERATIONS = ROOT / "docs" / "operations.md"
# Held equal to the code by test_operations.
PAGES = [OPERATIONS, *(ROOT / "services" / service.name / "README.md" for service in installed_services())]
# What Prometheus makes of each target, and of a histogram.
UP = {"up": set[str]()}
SUFFIXES = "_bucket", "_count", "_sum"
# What relabelling adds, what Prometheus calls a label that it has itself, and what a bucket has.
LABELS = {"service", "instance", "exported_job", "le"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


ALERTS = [rule for group in read(OBSERVABILITY / "alerts.yaml")["groups"] for rule in group["rules"]]
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


def section(page: Path, heading: str) -> str:
    return f"{page.read_text()}\n## ".partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def documented() -> dict[str, set[str]]:
    """Each metric that a page tells of, with its labels."""
    told = "\n".join(section(page, "Metrics") for page in PAGES)
    rows = re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram) \|([^|]*)\|", told, re.MULTILINE)
    known = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    known |= {name: set() for name in re.findall(r"`(process_\w+)`", told)}
    return known | UP


def metrics_in(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric in an expression, with the labels that it is chosen by."""
    bare = re.sub(r'"[^"]*"|\[\w+\]|\b(?:by|on|group_left)\s*\([^)]*\)', " ", expression)
    for name, chosen in re.findall(r"\b([a-z][a-z_]*)\b(?!\s*\()(?:\{([^}]*)\})?", bare):
        if name not in {"and", "or", "unless"}:
            yield name, set(re.findall(r"\w+", chosen))


@each_alert
def test_an_alert_is_of_metrics_that_there_are(alert: dict[str, Any]):
    known = documented()
    found = list(metrics_in(alert["expr"]))
    assert found
    for name, labels in found:
        family = next((name.removesuffix(each) for each in SUFFIXES if name.endswith(each)), name)
        metric = name if name in known else family
        assert metric in known, f"{name} is no metric"
        assert labels <= known[metric] | LABELS, f"{name} has no {labels - known[metric]}"


@each_alert
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]):
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "runbook"}
    assert alert["annotations"]["runbook"] == "docs/operations.md#alerts"


def test_every_alert_has_its_row():
    rows = re.findall(r"^\| `([A-Z]\w+)` \| (\w+) \|", section(OPERATIONS, "Alerts"), re.MULTILINE)
    assert rows == [(alert["alert"], alert["labels"]["severity"]) for alert in ALERTS]


def test_every_alert_is_seen_to_fire():
    scenarios = read(ROOT / "tests" / "images" / "alerts.yaml")["tests"]
    samples = [
        sample["labels"]
        for scenario in scenarios
        for seen in scenario["promql_expr_test"]
        for sample in seen.get("exp_samples", [])
    ]
    fired = {name for labels in samples for name in re.findall(r'alertname="(\w+)"', labels)}
    assert fired == {alert["alert"] for alert in ALERTS}


def test_every_service_is_watched():
    [scraped] = read(OBSERVABILITY / "prometheus.yaml")["scrape_configs"]
    [discovered] = scraped["dns_sd_configs"]
    assert sorted(discovered["names"]) == sorted(service.name for service in installed_services())
