"""What no linter checks: lengths, file names, a sentence at the top of each module, and nothing left lying about."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

ROOT = Path(__file__).parents[2]
CODE = ["bench/**/*.py", "noxfile.py", "packages/**/*.py", "services/**/*.py", "tests/**/*.py", "workspace/**/*.py"]
TEXT = ["dev", ".ci/run", "pyproject.toml", "*/*/pyproject.toml", "README.md", "*/*/README.md", "docs/**/*.md"]
LINES_MAX = 300
# A table of cases may be long, and splitting one hides what it covers.
TEST_LINES_MAX = 500
FUNCTION_LINES_MAX = 50
# What BaseHTTPMiddleware costs is measured here.
BASELINES = {PurePath("bench/blueprint.py")}
EMPTY_NAMES = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def breaches_of_text(text: str) -> Iterator[str]:
    yield from (f"unfinished: {word}" for word in re.findall(r"\b(?:FIXME|TODO)\b", text))
    yield from (f"a folder of one machine: {path}" for path in re.findall(r"(?<!\w)/(?:root|work)/", text))


def breaches_of_module(path: PurePath, text: str) -> Iterator[str]:
    for name in EMPTY_NAMES.intersection(re.split(r"\W|_", str(path))):
        yield f"a name that says nothing: {name}"
    if (lines := len(text.splitlines())) > (TEST_LINES_MAX if "tests" in path.parts else LINES_MAX):
        yield f"{lines} lines"
    tree = ast.parse(text)
    opening = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
    if not opening.endswith(".") or re.search(r"[.!?] +[A-Z]", opening):
        yield "does not open with one sentence"
    for node in ast.walk(tree):
        yield from (breach for breach in breaches_of_node(node) if path not in BASELINES or "Middleware" not in breach)


def breaches_of_node(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.name} has {lines} lines"
        case ast.Assert(test=ast.Constant()):
            yield f"line {node.lineno} asserts a constant"
        case ast.Name(id="BaseHTTPMiddleware") | ast.Attribute(attr="BaseHTTPMiddleware"):
            yield f"line {node.lineno} uses BaseHTTPMiddleware"


def files(*patterns: str) -> dict[PurePath, str]:
    """What the patterns find, but for this file, which must show what it forbids."""
    found = {path for pattern in patterns for path in ROOT.glob(pattern)} - {Path(__file__)}
    return {path.relative_to(ROOT): path.read_text() for path in sorted(found)}


def test_the_project_is_tidy():
    texts = [f"{path}: {breach}" for path, text in files(*CODE, *TEXT).items() for breach in breaches_of_text(text)]
    modules = [f"{path}: {breach}" for path, text in files(*CODE).items() for breach in breaches_of_module(path, text)]
    assert not texts + modules, "\n".join(texts + modules)


def test_every_member_and_every_command_is_looked_at():
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    members = [folder.relative_to(ROOT) for pattern in workspace for folder in ROOT.glob(pattern)]
    packages = {folder / "src" / folder.name / "__init__.py" for folder in members}
    assert packages | {Path("dev"), Path(".ci/run"), Path("noxfile.py")} <= files(*CODE, *TEXT).keys()


@pytest.mark.parametrize(
    ("planted", "breach"),
    [
        ("x = 1  # TODO: finish", "unfinished: TODO"),
        ("x = 1  # FIXME", "unfinished: FIXME"),
        ("open('/root/x')", "a folder of one machine: /root/"),
        ("open('/work/x')", "a folder of one machine: /work/"),
    ],
)
def test_a_breach_planted_in_a_text_is_found(planted, breach):
    assert [*breaches_of_text(planted)] == [breach]


@pytest.mark.parametrize(
    ("path", "planted", "breach"),
    [
        ("src/users/helpers.py", '"""Hashes."""', "a name that says nothing: helpers"),
        ("src/users/password_util.py", '"""Hashes."""', "a name that says nothing: util"),
        ("src/common/hashes.py", '"""Hashes."""', "a name that says nothing: common"),
        ("hashes.py", '"""Hashes."""\n' + "x = 1\n" * LINES_MAX, f"{LINES_MAX + 1} lines"),
        ("tests/test_hashes.py", '"""Hashes."""\n' + "x = 1\n" * TEST_LINES_MAX, f"{TEST_LINES_MAX + 1} lines"),
        ("hashes.py", "x = 1", "does not open with one sentence"),
        ("hashes.py", '"""Hashes"""', "does not open with one sentence"),
        ("hashes.py", '"""Hashes. And salts."""', "does not open with one sentence"),
        ("hashes.py", '"""Hashes."""\ndef f():\n' + "    1\n" * FUNCTION_LINES_MAX, "f has 51 lines"),
        ("hashes.py", '"""Hashes."""\nasync def f():\n' + "    1\n" * FUNCTION_LINES_MAX, "f has 51 lines"),
        ("hashes.py", '"""Hashes."""\nassert True', "line 2 asserts a constant"),
        ("hashes.py", '"""Hashes."""\nclass A(BaseHTTPMiddleware): ...', "line 2 uses BaseHTTPMiddleware"),
        ("hashes.py", '"""Hashes."""\nclass A(base.BaseHTTPMiddleware): ...', "line 2 uses BaseHTTPMiddleware"),
    ],
)
def test_a_breach_planted_in_a_module_is_found(path, planted, breach):
    assert [*breaches_of_module(PurePath(path), planted)] == [breach]


def test_a_baseline_may_show_what_costs_too_much():
    (baseline,) = BASELINES
    module = '"""Hashes."""\nclass A(BaseHTTPMiddleware): ...\ndef f():\n' + "    1\n" * FUNCTION_LINES_MAX
    assert [*breaches_of_module(baseline, module)] == ["f has 51 lines"]


def test_a_tidy_module_has_no_breach():
    module = '"""Hashes, as RFC 9106 has them.\n\nA second paragraph. It may be longer."""\n' + "x = 1\n" * 297
    assert [*breaches_of_module(PurePath("src/users/hashes.py"), module), *breaches_of_text(module)] == []
