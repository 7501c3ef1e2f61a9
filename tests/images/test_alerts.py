"""Each alert fires on what it is for: says `promtool`, that of this machine, or of the image of Prometheus."""

import shutil
import subprocess
from collections.abc import Callable

import pytest
from engine import ROOT, docker, run, there_is_an_engine
from stack import THIRD_PARTY

Promtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def promtool(request: pytest.FixtureRequest) -> Promtool:
    """Runs promtool with these arguments, in the workspace."""
    if program := shutil.which("promtool"):
        return lambda *arguments: run([program, *arguments])
    if not there_is_an_engine():
        pytest.skip("ALERTS ARE NOT TESTED: there is neither promtool nor a Docker engine")
    image = "stand-in-prometheus" if request.getfixturevalue("stand_ins") else THIRD_PARTY["prometheus"]
    container = (
        "run",
        "--rm",
        f"--volume={ROOT}:/workspace:ro",
        "--workdir=/workspace",
        "--entrypoint=promtool",
        image,
    )
    return lambda *arguments: docker(*container, *arguments)


def test_prometheus_takes_its_configuration(promtool: Promtool):
    assert "SUCCESS" in promtool("check", "config", "deploy/observability/prometheus.yaml").stdout


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else(promtool: Promtool):
    assert "SUCCESS" in promtool("test", "rules", "tests/images/alerts.yaml").stdout
