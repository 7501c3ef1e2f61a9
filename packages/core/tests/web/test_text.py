"""Text from strangers: what every part of a service can hold, and what is refused before it gets there."""

import pytest
from pydantic import BaseModel, ValidationError

from core.web.text import Line, SecretText


class Note(BaseModel):
    """A line and a secret."""

    line: Line = "a"
    secret: SecretText | None = None


@pytest.mark.parametrize("line", ["a", "Zoë Ångström", "李雷", " a ", "👩‍💻", "a" * 200])
def test_one_line_of_any_script_is_taken_as_it_is(line):
    assert Note(line=line).line == line


@pytest.mark.parametrize("line", ["", " ", "\u00a0", "a\nb", "a\x00b", "\t", "a" * 201])
def test_what_is_no_line_is_refused(line):
    with pytest.raises(ValidationError):
        Note(line=line)


def test_a_secret_may_be_any_text():
    note = Note.model_validate_json(b'{"secret": "\\u0000 \\ud83d\\ude00 "}')
    assert note.secret is not None
    assert note.secret.get_secret_value() == "\x00 \U0001f600 "


def test_half_of_a_surrogate_pair_is_no_text():
    with pytest.raises(ValidationError, match="half of a surrogate pair"):
        # As json.loads, by which FastAPI reads a body, gives it.
        Note.model_validate({"secret": "\ud800"})
