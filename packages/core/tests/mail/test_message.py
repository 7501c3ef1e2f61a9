"""What a message refuses before any mail server sees it."""

import pytest

from core.mail import Message


@pytest.mark.parametrize(
    "to",
    [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\n",
        "ada@example.com, eve@example.com",
        "ada@example.com;eve@example.com",
        "Ada <ada@example.com>",
        "ada@example.com@example.org",
        '"ada eve"@example.com',
        "ada\x00@example.com",
        "=?utf-8?q?eve=40example.com=2C_ada?=@example.com",
        "ada@",
        "ada",
        "",
    ],
)
def test_a_message_goes_to_exactly_one_bare_address(to):
    with pytest.raises(ValueError, match="one bare address"):
        Message(to, "Welcome", "Hello")


@pytest.mark.parametrize("separator", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00"])
def test_a_subject_cannot_break_out_of_its_header(separator):
    with pytest.raises(ValueError, match="one line"):
        Message("ada@example.com", f"Welcome{separator}Bcc: eve@example.com", "Hello")


def test_any_script_and_any_emoji_may_stand_in_a_subject():
    assert Message("ада@пример.рф", "Grüße 👨‍👩‍👧 שלום", "Hello").subject == "Grüße 👨‍👩‍👧 שלום"


def test_the_repr_of_a_message_shows_neither_text_nor_token():
    shown = repr(Message("ada@example.com", "Welcome", "your code is 4711", "4711"))
    assert "4711" not in shown
