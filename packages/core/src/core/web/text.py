"""Text out of a request body, as far as every part of a service can hold it."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

# One line in any script, and more than space: no control characters, one of which (NUL) PostgreSQL cannot store.
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\P{Cc}*[^\s\p{Cc}]\P{Cc}*$")]


def _encodable(secret: SecretStr) -> SecretStr:
    """JSON can escape half of a surrogate pair, which is no character (RFC 8259, section 8.2)."""
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("not a text: half of a surrogate pair stands alone") from None
    return secret


# Any characters at all, hidden wherever it would be shown.
SecretText = Annotated[SecretStr, AfterValidator(_encodable)]
