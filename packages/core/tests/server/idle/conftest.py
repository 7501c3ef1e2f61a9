"""How many connections say nothing."""

import resource

import pytest

CONNECTIONS = 500
FIGURES = pytest.StashKey[list[str]]()
# Of this process, beside those connections.
FILES = 200


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--connections=10000`; known where this folder is asked for."""
    group = parser.getgroup("idle")
    group.addoption("--connections", type=int, help=f"Idle connections beside which others are served; {CONNECTIONS}.")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What they cost, where somebody asked for many."""
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines for whoever asked for many."""
    lines: list[str] = []
    if request.config.getoption("connections", None):
        request.config.stash[FIGURES] = lines
    return lines


@pytest.fixture
def connections(request: pytest.FixtureRequest) -> int:
    """How many there are; more than this machine allows are a skip."""
    number = request.config.getoption("connections", None) or CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number + FILES:
        pytest.skip(f"{number} connections need {number + FILES} open files, and this machine allows {hard}")
    if soft != resource.RLIM_INFINITY and soft < number + FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number + FILES, hard))
    return number
