"""A new service stands in the deployment wherever others do, and goes without a trace; what is people's stays."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace.scaffold import deployment
from workspace.scaffold.additions import Addition
from workspace.scaffold.refusals import Refused

from core.settings import load

COMPOSE, PROMETHEUS = "compose.yaml", "deploy/observability/prometheus.yaml"
# A variable of Compose with what it is by default.
DEFAULT = re.compile(r"\$\{\w+:-([^{}]*)\}")
# What deploy/secrets/make.sh gives each service.
SECRETS = {
    "DATABASE__URL": "postgresql://acme:secret@postgres:5432/acme",
    "EVENTS__URL": "nats://acme:secret@nats:4222",
    "MAIL__URL": "file:/var/mail",
    "SECRET_KEY": "kP2vT9xQ4mZ7bL1wR8nC5jH0sY3dF6gA",
}


def files(tree: Path) -> dict[str, bytes]:
    return {str(file): (tree / file).read_bytes() for file in deployment.FILES}


def said_of(service: str, value: Any, path: str = "") -> Iterator[str]:
    """What a YAML file says of a service, a line each, with `it` for its name."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield from said_of(service, each, f"{path}{'-' if isinstance(value, list) else key}/")
    line = f"{path}{'' if pairs else value}"
    word = rf"(?<![a-z]){service}(?![a-z])"
    if not pairs and re.search(word, line, re.IGNORECASE):
        yield re.sub(word, "it", line, flags=re.IGNORECASE)


@pytest.mark.parametrize("file", [COMPOSE, PROMETHEUS])
def test_a_service_stands_wherever_all_others_do(tree, file):
    deployment.add_service(tree, "otters")
    document = yaml.safe_load((tree / file).read_text())
    users, billing, otters = (set(said_of(service, document)) for service in ("users", "billing", "otters"))
    assert len(otters) >= len(users & billing) > 0
    assert users & billing <= otters <= billing


def test_a_service_is_told_all_that_it_demands(tree, monkeypatch):
    monkeypatch.syspath_prepend(deployment.ADDITIONS.parent / "template/src")
    deployment.add_service(tree, "acme")
    told = yaml.safe_load((tree / COMPOSE).read_text())["services"]["acme"]["environment"]
    while (plain := {name: DEFAULT.sub(r"\1", value) for name, value in told.items()}) != told:
        told = plain
    given = {**told, **{f"ACME_{name}": value for name, value in SECRETS.items()}}
    settings = load(import_module("acme.settings").Settings, environ=given).settings
    assert str(settings.public_url) == "http://localhost:8080/acme"
    assert settings.environment != "local"


def test_what_a_service_adds_can_be_taken_back_in_any_order(tree):
    before = files(tree)
    for service in ("otters", "otter_pups", "o"):
        deployment.add_service(tree, service)
    assert len(set(files(tree).values()) & set(before.values())) == 0
    for service in ("otter_pups", "otters", "otters", "o"):
        deployment.remove_service(tree, service)
    assert files(tree) == before


def test_the_first_service_comes_where_the_last_one_went(tree):
    for service in ("users", "billing", "otters"):
        if service == "otters":
            deployment.add_service(tree, service)
        else:
            deployment.remove_service(tree, service)
    compose, prometheus = (yaml.safe_load((tree / file).read_text()) for file in (COMPOSE, PROMETHEUS))
    assert compose["x-values"]["services"] == ["otters"]
    assert compose["services"]["edge"]["depends_on"] == {"otters": {"condition": "service_healthy"}}
    assert "otters-migrate" in compose["services"]
    assert prometheus["scrape_configs"][0]["dns_sd_configs"][0]["names"] == ["otters"]


PART = """\
pups:
  acme:
    eats: fish
rafts:
  - in: river
    of: [kelp]
    pups:
      - acme
"""
FILE = """\
# Of people.
pups:
    users: { eats: kelp }   # much

    # Of billing.
    billing:
        eats: >
            all kinds
            of fish

# Who floats with whom.
rafts:
    - { in: sea }
    - of: [kelp]   # and reed
      in: river
      pups:
      - users
      - "billing"
      # - nobody
"""
WITH_IT = FILE.replace(
    "            of fish\n",
    "            of fish\n    otters:\n      eats: fish\n",
).replace('      - "billing"\n', '      - "billing"\n      - otters\n')
MADE_OF_IT = """\

    # Of otters.
    # They are many.
    otters:
      # Now and then.
      eats: [fish, kelp]
      sleeps: |
        a lot
"""
OTTERS = Addition(PART, "otters", Path("file.yaml"))
OTHERS = {"users", "billing"}


def test_comments_indents_and_line_ends_of_people_stay():
    assert OTTERS.added(FILE, others=OTHERS) == WITH_IT
    assert OTTERS.removed(WITH_IT) == FILE


def test_what_stands_below_the_services_stays_there():
    assert OTTERS.added(FILE, others={"users"}) == FILE.replace(
        "# much\n", "# much\n    otters:\n      eats: fish\n"
    ).replace("- users\n", "- users\n      - otters\n")


def test_a_service_goes_with_all_that_was_made_of_it_and_nothing_else():
    changed = WITH_IT.replace("    otters:\n      eats: fish\n", MADE_OF_IT).replace("- otters", "- 'otters'  # all")
    assert OTTERS.removed(changed) == FILE
    assert OTTERS.removed("other: things\n") == "other: things\n"


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        ("rafts:", "boats:", "file.yaml has no rafts, where services are listed: put it back."),
        ("in: river", "in: sea", "file.yaml has no rafts, where services are listed: put it back."),
        ("      pups:", "      cubs:", "file.yaml has no rafts.pups, where services are listed: put it back."),
        (
            '      pups:\n      - users\n      - "billing"\n',
            "      pups: [users, billing]\n",
            "file.yaml has rafts.pups on one line: write a line an entry.",
        ),
        (
            "    users:",
            "    otters:",
            "file.yaml has pups.otters already: take it out, or choose another name.",
        ),
        (
            "    users: {",
            "    users: {{",
            "file.yaml:6 is no YAML (expected ',' or '}', but got '<scalar>'): mend it first.",
        ),
        (FILE, "", "file.yaml is empty."),
        (
            '      - "billing"\n',
            "      -\n        billing\n",
            "file.yaml is not laid out in lines that can be told apart: write a line an entry.",
        ),
    ],
)
def test_a_file_that_has_become_another_is_refused(was, becomes, reason):
    assert FILE.count(was) == 1
    with pytest.raises(Refused) as refused:
        OTTERS.added(FILE.replace(was, becomes), others=OTHERS)
    assert str(refused.value) == reason


def test_what_is_referred_to_must_be_there(tree):
    text = (tree / COMPOSE).read_text()
    (tree / COMPOSE).write_text(text.replace("&subnet", "&network").replace("*subnet", "*network"))
    with pytest.raises(Refused, match=r"^compose\.yaml would be no YAML any more \(found undefined alias 'subnet'\)"):
        deployment.add_service(tree, "otters")
