"""Every number and every choice has its limits: the last value inside is accepted, the first outside is refused."""

import pytest

from core.settings import ConfigurationError, ServiceSettings, variables


class Settings(ServiceSettings, env_prefix="BILLING_"):
    pass


# The other bounds of the same group, wide enough that only the one under test can refuse.
WIDE = {"request_timeout_s": 0.5, "drain_delay_s": 0, "graceful_timeout_s": 1, "close_timeout_s": 1}

INSIDE_AND_OUTSIDE = [
    ("server", "host", "a", ""),
    ("server", "port", 1, 0),
    ("server", "port", 65_535, 65_536),
    ("server", "backlog", 1, 0),
    ("server", "backlog", 65_535, 65_536),
    ("server", "keep_alive_s", 1, 0),
    ("server", "keep_alive_s", 3600, 3601),
    ("server", "connections_max", 1, 0),
    ("server", "connections_max", 1_000_000, 1_000_001),
    ("server", "head_max_bytes", 8192, 8191),
    ("server", "head_max_bytes", 1_048_576, 1_048_577),
    ("server", "head_timeout_s", 0.001, 0),
    ("server", "head_timeout_s", 300, 300.1),
    ("server", "send_timeout_s", 0.001, 0),
    ("server", "send_timeout_s", 3600, 3600.1),
    ("server", "concurrency_max", 1, 0),
    ("server", "concurrency_max", 10_000, 10_001),
    ("server", "body_max_bytes", 1, 0),
    ("server", "body_max_bytes", 104_857_600, 104_857_601),
    ("server", "body_timeout_s", 0.1, 0),
    ("server", "body_timeout_s", 300, 300.1),
    ("server", "request_timeout_s", 0.1, 0),
    ("server", "open_timeout_s", 0.1, 0),
    ("server", "open_timeout_s", 120, 120.1),
    ("server", "drain_delay_s", 0, -0.1),
    ("server", "graceful_timeout_s", 1, 0),
    ("server", "close_timeout_s", 0.1, 0),
    ("server", "termination_grace_s", 900, 900.1),
    ("logs", "level", "warning", "warn"),
    ("logs", "format", "console", "text"),
    ("cors", "max_age_s", 0, -1),
    ("cors", "max_age_s", 86_400, 86_401),
    ("database", "pool_size", 1, 0),
    ("database", "pool_size", 50, 51),
    ("database", "read_pool_size", 1, 0),
    ("database", "read_pool_size", 50, 51),
    ("database", "pool_timeout_s", 0.1, 0),
    ("database", "pool_timeout_s", 30, 30.1),
    ("database", "connect_timeout_s", 0.1, 0),
    ("database", "connect_timeout_s", 60, 60.1),
    ("database", "statement_timeout_ms", 1, 0),
    ("database", "statement_timeout_ms", 300_000, 300_001),
    ("mail", "timeout_s", 0.1, 0),
    ("mail", "timeout_s", 120, 120.1),
    ("events", "stream", "a", ""),
    ("events", "stream", "Team_2-events", "team.events"),
    ("events", "stream", "a" * 32, "a" * 33),
    ("tokens", "audience", "a", ""),
    ("tokens", "leeway_s", 0, -1),
    ("tokens", "leeway_s", 60, 61),
]
# The upper bounds of what has to fit into the grace of the orchestrator, alone.
IN_A_LONG_GRACE = [
    ("request_timeout_s", {"request_timeout_s": 299, "graceful_timeout_s": 300}, 300.1),
    ("drain_delay_s", {"drain_delay_s": 60}, 60.1),
    ("graceful_timeout_s", {"graceful_timeout_s": 300}, 301),
    ("close_timeout_s", {"close_timeout_s": 60}, 60.1),
    ("termination_grace_s", {"termination_grace_s": 28, "drain_delay_s": 8}, 0),
]
OF_A_CLIENT = [
    ("timeout_s", 3, 0),
    ("timeout_s", 120, 120.1),
    ("attempt_timeout_s", 0.1, 0),
    ("retries_max", 0, -1),
    ("retries_max", 5, 6),
]


def local(**values):
    database = {"url": "postgresql://billing@db/billing"} | values.pop("database", {})
    return Settings(environment="local", database=database, **values)


def refused_names(**values):
    with pytest.raises(ConfigurationError) as refused:
        local(**values)
    return {problem.name for problem in refused.value.problems}


@pytest.mark.parametrize(("group", "name", "inside", "outside"), INSIDE_AND_OUTSIDE)
def test_a_bound_lets_in_the_last_and_refuses_the_next(group, name, inside, outside):
    wide = WIDE if group == "server" else {}
    assert getattr(getattr(local(**{group: {**wide, name: inside}}), group), name) == inside
    assert refused_names(**{group: {**wide, name: outside}}) == {f"BILLING_{group}__{name}".upper()}


@pytest.mark.parametrize(("name", "inside", "outside"), IN_A_LONG_GRACE)
def test_a_time_of_the_shutdown_is_bounded_even_in_a_long_grace(name, inside, outside):
    long = {**WIDE, "termination_grace_s": 900}
    assert getattr(local(server={**long, **inside}).server, name) == inside[name]
    assert refused_names(server={**long, name: outside}) == {f"BILLING_SERVER__{name.upper()}"}


@pytest.mark.parametrize(("name", "inside", "outside"), OF_A_CLIENT)
def test_the_bounds_of_a_client(name, inside, outside):
    users = {"url": "http://users:8000"}
    assert getattr(local(clients={"users": {**users, name: inside}}).clients["users"], name) == inside
    assert refused_names(clients={"users": {**users, name: outside}}) == {f"BILLING_CLIENTS__USERS__{name.upper()}"}


def test_an_attempt_takes_at_most_sixty_seconds():
    users = {"url": "http://users:8000", "timeout_s": 120}
    assert local(clients={"users": {**users, "attempt_timeout_s": 60}}).clients["users"].attempt_timeout_s == 60
    assert refused_names(clients={"users": {**users, "attempt_timeout_s": 60.1}}) == {
        "BILLING_CLIENTS__USERS__ATTEMPT_TIMEOUT_S"
    }


def test_an_attempt_that_may_take_longer_than_the_call_is_refused():
    users = {"url": "http://users:8000", "timeout_s": 2}
    assert local(clients={"users": {**users, "attempt_timeout_s": 2}})
    assert refused_names(clients={"users": {**users, "attempt_timeout_s": 3}}) == {"BILLING_CLIENTS__USERS__*"}


def test_a_shutdown_that_the_orchestrator_would_cut_short_is_refused():
    server = {"drain_delay_s": 10, "graceful_timeout_s": 15, "close_timeout_s": 5}
    # And 3 s in which the process itself ends.
    assert local(server={**server, "termination_grace_s": 33})
    assert refused_names(server={**server, "termination_grace_s": 32.9}) == {"BILLING_SERVER__*"}


def test_a_request_that_may_outlive_the_shutdown_is_refused():
    assert local(server={"request_timeout_s": 14.9})
    assert refused_names(server={"request_timeout_s": 15}) == {"BILLING_SERVER__*"}


def test_both_faults_of_a_shutdown_are_named():
    with pytest.raises(ConfigurationError, match=r"request_timeout_s must be below.*termination_grace_s") as refused:
        local(server={"request_timeout_s": 200, "graceful_timeout_s": 100})
    assert len(refused.value.problems) == 1


def test_credentials_from_any_origin_are_refused():
    assert local(cors={"allow_origins": ["https://app.example.com"], "allow_credentials": True})
    assert refused_names(cors={"allow_origins": ["*"], "allow_credentials": True}) == {"BILLING_CORS__*"}


def test_every_number_has_a_lowest_and_a_highest_value():
    numbers = [variable for variable in variables(Settings) if variable.accepts.startswith(("a number", "an integer"))]
    assert len(numbers) > 20
    unbounded = [
        v.name for v in numbers if not ("at most" in v.accepts and ("at least" in v.accepts or "more" in v.accepts))
    ]
    assert unbounded == []


def test_every_number_with_a_unit_says_it():
    # A ratio has none.
    assert {variable.name.rpartition("_")[2] for variable in variables(Settings) if "a number" in variable.accepts} == {
        "S",
        "RATIO",
    }
