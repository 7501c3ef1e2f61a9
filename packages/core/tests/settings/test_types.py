"""Which addresses are accepted, and that an address with a password is never shown with it."""

import pytest
from pydantic import TypeAdapter, ValidationError

from core.settings.types import (
    BusUrl,
    CorsOrigin,
    CountsUrl,
    DatabaseUrl,
    Frozen,
    MailUrl,
    Network,
    SecretUrl,
    Sender,
    Token,
    WebUrl,
)


def refusal(kind, value):
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    return str(refused.value.errors()[0]["ctx"]["error"])


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://api.example.com/billing", "http://[::1]:80"])
def test_a_web_url_is_kept_as_it_is_written(url):
    assert TypeAdapter(WebUrl).validate_python(url) == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "it is not an http or https URL"),
        ("example.com", "it is not an http or https URL"),
        ("ftp://example.com", "it is not an http or https URL"),
        ("http://", "it is not an http or https URL"),
        ("http://exa mple.com", "it is not an http or https URL"),
        ("http://example.com:99999", "it is not an http or https URL"),
        ("http://example.com:port", "it is not an http or https URL"),
        ("http://exam\nple.com", "it is not an http or https URL"),
        ("http://[::1", "it is not an http or https URL"),
        ("https://me:hunter2@example.com", "it carries credentials"),
        ("https://example.com/", "it ends in a slash, or has a query or a fragment"),
        ("https://example.com?a=b", "it ends in a slash, or has a query or a fragment"),
        ("https://example.com#a", "it ends in a slash, or has a query or a fragment"),
    ],
)
def test_another_web_url_is_refused(url, reason):
    assert refusal(WebUrl, url) == reason


@pytest.mark.parametrize("origin", ["*", "https://app.example.com", "http://localhost:3000"])
def test_an_origin_is_accepted(origin):
    assert TypeAdapter(CorsOrigin).validate_python(origin) == origin


def test_an_origin_with_a_path_is_refused():
    assert refusal(CorsOrigin, "https://app.example.com/shop") == "an origin has no path"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://billing:hunter2@db:5432/billing",
        "postgresql+asyncpg://billing:hunter2@db/billing",
        "postgresql://billing@/billing?host=/run/postgresql",
        "postgresql:///billing?host=/a folder/sockets",
        "postgresql://billing:p%40ss%2Fword@db/billing",
    ],
)
def test_a_database_url_is_kept_whole(url):
    assert TypeAdapter(DatabaseUrl).validate_python(url).get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:p@db/billing", "it is not a postgresql:// URL"),
        ("hunter2", "it is not a postgresql:// URL"),
        ("postgresql://u:p@db", "it names no database"),
        ("postgresql://u:p@db/", "it names no database"),
        ("postgresql:///billing", "it names no host"),
    ],
)
def test_another_database_url_is_refused(url, reason):
    assert refusal(DatabaseUrl, url) == reason


@pytest.mark.parametrize("password", ["12/34", "12?34", "12#34", "12/3@4", "hunter/2", "hunter#2", "[", "hun\nter"])
def test_a_password_that_is_not_percent_encoded_is_refused_for_what_it_is(password):
    ill = "it is not well formed; in a password, write @ as %40, / as %2F, # as %23 and ? as %3F"
    assert refusal(DatabaseUrl, f"postgresql://u:{password}@db/billing") == ill
    assert refusal(MailUrl, f"smtp://u:{password}@mail") == ill
    assert refusal(BusUrl, f"nats://a,nats://u:{password}@b") == ill


@pytest.mark.parametrize("password", ["hunter2 two", 'hunter2"two', "hunter2<two", "hunter2>two", "hunter2\u00a0two"])
def test_a_password_that_would_end_the_url_for_whoever_prints_it_is_refused(password):
    ill = "it holds a space, a quote, < or >; in a password, write them as %20, %22, %3C and %3E"
    assert refusal(DatabaseUrl, f"postgresql://u:{password}@db/billing") == ill
    assert refusal(MailUrl, f"smtp://u:{password}@mail") == ill
    assert refusal(CountsUrl, f"valkey://u:{password}@limits") == ill
    assert refusal(BusUrl, f"nats://a,nats://u:{password}@b") == ill


@pytest.mark.parametrize(
    "url",
    [
        "smtp://mail:587",
        "smtps://me:hunter2@mail.example.com",
        "file:.local/users/mail",
        "file:///var/mail/out",
        "file:a b",
    ],
)
def test_a_mail_url_is_kept_whole(url):
    assert TypeAdapter(MailUrl).validate_python(url).get_secret_value() == url


@pytest.mark.parametrize("url", ["http://mail", "smtp://", "file:", "file://host/folder", "mail"])
def test_another_mail_url_is_refused(url):
    assert refusal(MailUrl, url) == "it is neither smtp://host:port nor file:folder"


@pytest.mark.parametrize(
    "url",
    [
        "local:",
        "nats://bus",
        "nats://me:hunter2@bus:4222",
        "tls://token@bus.example.com:4222",
        "nats://bus-1:4222,nats://bus-2:4222,tls://bus-3:4222",
    ],
)
def test_the_url_of_a_bus_is_kept_whole(url):
    assert TypeAdapter(BusUrl).validate_python(url).get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bus",
        "bus:4222",
        "http://bus",
        "nats://",
        "nats://:4222",
        "nats://bus/events",
        "nats://bus?stream=events",
        "local:events",
        "local://bus",
        "local:?a=b",
        "local:,local:",
        "nats://bus,local:",
        "nats://bus,",
        "nats://bus, nats://bus-2",
        "nats://bus,http://bus-2",
    ],
)
def test_another_url_of_a_bus_is_refused(url):
    assert refusal(BusUrl, url) == "it is neither nats://host:port (several with commas between them) nor local:"


@pytest.mark.parametrize("name", ["X-Request-ID", "api_key", "*", "PROPFIND"])
def test_a_token_is_accepted(name):
    assert TypeAdapter(Token).validate_python(name) == name


@pytest.mark.parametrize("name", ["", "X Foo", "X-Föö", "X-日本", "X:", "X\r\nSet-Cookie: a=b", "X\n"])
def test_what_cannot_stand_in_a_header_is_refused_before_every_answer_breaks(name):
    assert refusal(Token, name) == "it has more than letters, digits, ., _ and - in it"


@pytest.mark.parametrize("sender", ["no-reply@example.com", "Example Shop <no-reply@example.com>"])
def test_a_sender_is_accepted(sender):
    assert TypeAdapter(Sender).validate_python(sender) == sender


@pytest.mark.parametrize("sender", ["", "nobody", "a@b\r\nBcc: c@d", "A\nB <a@b>", "<a@b>", "a@b@c", "A <a@b> B"])
def test_another_sender_is_refused(sender):
    assert refusal(Sender, sender) == "it is not a mail address"


def test_a_network_is_read_from_text():
    assert str(TypeAdapter(Network).validate_python("10.0.0.0/8")) == "10.0.0.0/8"


def test_a_secret_url_shows_everything_but_its_password():
    url = SecretUrl("postgresql://billing:hunter2@db/billing?sslpassword=hunter3")
    assert str(url) == "postgresql://billing:***@db/billing?sslpassword=***"
    assert repr(url) == "SecretUrl('postgresql://billing:***@db/billing?sslpassword=***')"


def test_a_frozen_mapping_cannot_change():
    mapping = TypeAdapter(Frozen[int]).validate_python({"a": 1})
    with pytest.raises(TypeError):
        mapping["b"] = 2  # pyrefly: ignore[unsupported-operation] - that it cannot is the point
    assert TypeAdapter(Frozen[int]).dump_json(mapping) == b'{"a":1}'
