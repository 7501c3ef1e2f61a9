"""Versions of an account as entity tags (RFC 9110, section 8.8.3)."""


def etag_of(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"v{version}"'


def is_listed(etag: str, if_none_match: str | None) -> bool:
    """Whether `If-None-Match` names the tag, by weak comparison (RFC 9110, section 13.1.2)."""
    listed = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
    return etag in listed or "*" in listed
