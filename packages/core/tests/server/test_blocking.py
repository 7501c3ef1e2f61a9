"""A served process that is blocked: its log says where, its metrics how long, and its clients get their answers."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


def blocked(served):
    return [line for line in served.lines if line["event"] == "event loop blocked"]


def lag_s(served):
    families = text_string_to_metric_families(httpx.get(f"{served.url}/metrics").text)
    (lag,) = (family for family in families if family.name == "event_loop_lag_seconds")
    (sample,) = lag.samples
    return sample.value


def test_one_line_names_what_blocked_and_the_request_is_answered(serve, eventually):
    served = serve(loop_stall_ms=100).ready()

    def is_told() -> bool:
        # Again: on a busy machine another step may have been first, and lines are some seconds apart.
        url = f"{served.url}/v1/blocking?seconds=0.4&password=canary-0451"
        assert httpx.get(url, headers={"X-Request-ID": "slow-1"}, timeout=30).status_code == 200
        return any(line.get("route") == "/v1/blocking" for line in blocked(served))

    eventually(is_told)
    served.stop()
    line = next(line for line in blocked(served) if line.get("route") == "/v1/blocking")
    assert (line["level"], line["service.name"], line["request_id"]) == ("warning", "served", "slow-1")
    assert (line["method"], line["route"], line["ended"]) == ("GET", "/v1/blocking", True)
    # All of it, or what could be seen of it on a busy machine.
    assert 100 <= line["blocked_ms"] < 30_000
    assert line["stack"][-1].endswith(" nap")
    assert line["stack"][-2].endswith(" blocking")
    # The step alone: neither the program that serves, nor the loop.
    assert not any(frame.endswith(" main") for frame in line["stack"])
    assert "canary" not in str(served.lines)


def test_a_process_that_blocks_again_and_again_says_so_now_and_then(serve, eventually):
    served = serve(loop_stall_ms=20).ready()
    for _ in range(3):
        httpx.get(f"{served.url}/v1/blocking?seconds=0.1")
    eventually(lambda: blocked(served))
    served.stop()
    assert len(blocked(served)) == 1


def test_a_block_shorter_than_the_setting_is_no_line_and_shows_in_the_metrics(serve):
    served = serve(loop_stall_ms=10_000).ready()
    httpx.get(f"{served.url}/v1/blocking?seconds=0.4")
    assert 0.3 <= lag_s(served) < 10
    served.stop()
    assert blocked(served) == []
