"""The same edge under a name, which makes it speak HTTPS."""

import httpx

from core.middleware.security_headers import STRICT_TRANSPORT_SECURITY
from core.testing.network import free_port

HSTS = "strict-transport-security"


def test_whoever_came_by_https_is_told_to_stay_there(front):
    edge = front(https=True)
    with httpx.Client(verify=False) as client:  # noqa: S501 - a certificate of its own
        for path in ("/nothing", "/things", "/problems/not_found", "/things/metrics"):
            assert client.get(edge.url + path).headers.get_list(HSTS) == [STRICT_TRANSPORT_SECURITY.decode()]
        answer = client.get(f"{edge.things}/v1")
        # A service that says it itself says it once.
        assert answer.headers.get_list(HSTS) == ["max-age=1"]
        assert answer.json()["headers"]["x-forwarded-proto"] == ["https"]
        assert client.get(f"{edge.url}/nothing", headers={"Host": "other.test"}).status_code == 421


def test_http_leads_to_https(front):
    port = free_port()
    front(https=True, EDGE_HTTP_PORT=str(port))
    response = httpx.get(f"http://localhost:{port}/things/v1?a=b")
    assert (response.status_code, response.headers["location"]) == (308, "https://localhost/things/v1?a=b")


def test_plain_http_promises_nothing(plain):
    assert HSTS not in httpx.get(f"{plain.url}/nothing").headers
