"""What docs/first-service.md tells a newcomer to do works, from the first command to the last."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import walkthrough
from repositories import git
from surroundings import environment, free_ports
from walkthrough import Reader, sections_of, shows

PAGE = Path(__file__).parents[2] / "docs/first-service.md"
SOMEBODY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "somebody"), ("EMAIL", "somebody@example.com"))
}
# For a name that is free, even where somebody has kept what the page makes.
RENAMED = [("order", "otter"), ("Order", "Otter"), ("ORDER", "OTTER"), ("ord_", "ott_")]


@pytest.fixture
def reader(tmp_path) -> Reader:
    for name in ("root", "notes"):
        (tmp_path / name).mkdir()
    # A bare machine's uv, which runs this, is on no PATH; `dev` looks for one in the folder that it is in.
    path = os.pathsep.join([str(Path(os.environ.get("UV", "uv")).parent), os.environ["PATH"]])
    return Reader(tmp_path / "root", tmp_path / "notes", environment(PATH=path, PYTHONDONTWRITEBYTECODE="", **SOMEBODY))


def clone(project: Path, folder: Path) -> None:
    git(folder, "clone", "--quiet", str(project), ".")
    # Compiling all of two environments would be a third of the time that the page takes, which runs little of them.
    settings = folder / "pyproject.toml"
    settings.write_text(settings.read_text().replace("compile-bytecode = true", "compile-bytecode = false"))
    git(folder, "commit", "--quiet", "--all", "--message", "Compile what is imported")
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD")


def test_a_newcomer_gets_from_a_clone_to_a_service(project, reader):
    clone(project, reader.root)
    ports = [str(port) for port in free_ports(2)]
    page = PAGE.read_text()
    for ours, free in [*RENAMED, ("8000", ports[0]), ("8001", ports[1])]:
        page = page.replace(ours, free)
    reader.environment["GATEWAY_SERVER__PORT"] = ports[0]
    reader.follow(page)


def test_no_block_is_left_out():
    blocks = [block for section in sections_of(PAGE.read_text()) for block in section]
    fences = re.findall(r"^\s*(?:`{3}|~{3}).*$", PAGE.read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(blocks)
    assert {block.kind for block in blocks} == {"sh", "sh terminal=2", "text", "diff"}


@pytest.fixture
def followed(reader):
    def follow(*blocks: tuple[str, str]) -> str:
        reader.follow("\n".join(f"```{kind}\n{text}\n```" for kind, text in blocks))
        return (reader.root / "note").read_text()

    return follow


def test_the_shell_remembers_its_variables(followed):
    assert followed(("sh", 'what="two words"'), ("sh", "echo $what >note")) == "two words\n"


def test_a_line_is_edited(followed):
    note = "+++ note\n a\n\n-b\n+c"
    assert followed(("sh", "printf 'a\\n\\nb\\n' >note"), ("diff", note)) == "a\n\nc\n"


def test_the_second_terminal_is_open_until_its_section_ends(reader):
    serve = "trap 'echo ended >note; exit' INT; echo ready; while :; do sleep 0.1; done"
    reader.follow(f"```sh terminal=2\n{serve}\n```\n```text\nready\n```\n```sh\ntest ! -e note\n```\n## Next\n")
    assert (reader.root / "note").read_text() == "ended\n"


@pytest.mark.parametrize(
    ("blocks", "complaint"),
    [
        ([("sh", "false\ntrue")], "This fails"),
        ([("sh", "echo one"), ("text", "two")], "The page shows:\ntwo\n"),
        ([("sh terminal=2", "echo one"), ("text", "two")], "The page shows:\ntwo\n"),
        ([("sh", "printf 'a\\na\\n' >note"), ("diff", "+++ note\n-a\n+b")], "note does not say once"),
        ([("sh", "printf 'a\\n' >note"), ("diff", "+++ note\n-b\n+c")], "note does not say once"),
        ([("console", "$ ./dev test")], "does not know what to do with 'console'"),
        ([("sh terminal=2", "true"), ("sh terminal=2", "true")], "does not know what to do with 'sh terminal=2'"),
        ([("text", "out of nowhere")], "does not know what to do with 'text'"),
    ],
)
def test_what_the_page_has_wrong_is_said(followed, blocks, complaint):
    with pytest.raises(pytest.fail.Exception, match=complaint):
        followed(*blocks)


def test_what_does_not_end_is_killed(followed, reader, monkeypatch):
    monkeypatch.setattr(walkthrough, "PATIENCE_S", 0.2)
    with pytest.raises(subprocess.TimeoutExpired):
        followed(("sh", "echo $$ >note; exec sleep 60"))
    with pytest.raises(ProcessLookupError):
        os.kill(int((reader.root / "note").read_text()), 0)


@pytest.mark.parametrize(
    ("shown", "is_shown"),
    [
        ("a b", True),
        ("b\nc", True),
        ("a … d", True),
        ("a … c d", True),
        ("a d", False),
        ("d … a", False),
        ("a.b", False),
    ],
)
def test_an_ellipsis_stands_for_what_is_left_out(shown, is_shown):
    assert shows("a  b \nc\nd\n", shown) is is_shown
