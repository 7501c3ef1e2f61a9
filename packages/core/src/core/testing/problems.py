"""What a client relies on in a refusal."""

import httpx

from core.web.problems import MEDIA_TYPE


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem document (RFC 9457); fails when it is none, or contradicts its headers."""
    assert response.headers["content-type"] == MEDIA_TYPE, (
        f"no problem document: {response.status_code} {response.text}"
    )
    document = response.json()
    assert document["status"] == response.status_code
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["instance"] == f"urn:request:{document['request_id']}"
    assert document["type"].endswith(f"/problems/{document['code']}")
    assert document["title"]
    assert document["detail"]
    return response.status_code, document["code"]
