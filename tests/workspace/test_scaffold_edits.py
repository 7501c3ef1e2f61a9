"""What a command writes into files of people, and takes out again, leaves the rest of them as it was."""

import re

import pytest
from workspace.members import dependents, members_of
from workspace.scaffold import upstreams
from workspace.scaffold.page import add_rows
from workspace.scaffold.refusals import Refused
from workspace.scaffold.registration import add_service, add_slice, remove_service
from workspace.scaffold.snapshot import Snapshot
from workspace.scaffold.template import Names
from workspace.scaffold.wiring import add_declarations

BASKETS = Names("otters", "baskets", "basket", "bas")
IMPORTS = "from core.application import service\n\n\n"
DECLARED = {"announces": "announcements", "handlers": "handlers", "replays": "replays"}
IMPORTED = "from otters.baskets.router import router as {}\n" + "".join(
    f"from otters.baskets.{name} import {name} as baskets_{name}\n" for name in DECLARED.values()
)
# What else a slice declares, where the service is given nothing of it.
MORE = ", ".join(f"{argument}=[baskets_{name}]" for argument, name in DECLARED.items())


def test_what_registers_a_service_can_be_taken_back(project, tmp_path):
    before = (project / "pyproject.toml").read_text()
    file = tmp_path / "pyproject.toml"
    file.write_text(before)
    add_service(file, BASKETS)
    added = set(file.read_text().splitlines()) - set(before.splitlines())
    made = {line for line in added if "otters" in line}
    extended = {line for line in made if re.sub(r', "otters"| \| otters', "", line) in before.splitlines()}
    assert {line.partition(" ")[0] for line in extended} == {"dependencies", "root_packages", "layers", "ancestors"}
    # Where there is room on the last line of slices, it stands there.
    assert {re.sub(r'^  .*"otters.baskets",$', '  "otters.baskets",', line) for line in made - extended} == {
        "otters = { workspace = true }",
        'name = "otters reads top-down, its slices in this order"',
        'containers = ["otters"]',
        '  "otters.baskets",',
    }
    contracts = re.findall(r'^name = "(\w+) reads top-down', file.read_text(), re.MULTILINE)
    assert contracts[-2:] == ["otters", "gateway"]
    add_slice(file, Names("otters", "refunds", "refund", "ref"))
    assert '  "migrations",\n  "refunds",\n  "baskets",\n' in file.read_text()
    remove_service(file, "otters")
    assert file.read_text() == before


def test_what_is_half_registered_can_be_taken_back(project, tmp_path):
    file = tmp_path / "pyproject.toml"
    before = (project / "pyproject.toml").read_text()
    file.write_text(before.replace('dependencies = ["gateway"', 'dependencies = ["otters", "gateway"', 1))
    assert file.read_text() != before
    remove_service(file, "otters")
    assert file.read_text() == before


def test_the_line_at_the_edge_can_be_taken_back(project, tmp_path):
    file = tmp_path / "deploy/edge/services"
    file.parent.mkdir(parents=True)
    before = (project / "deploy/edge/services").read_text()
    file.write_text(before)
    upstreams.add_service(tmp_path, "otters")
    assert file.read_text() == f"{before}import service otters {{$OTTERS_UPSTREAMS:otters:8000}}\n"
    upstreams.add_service(tmp_path, "otters_too")
    # As somebody has made it.
    file.write_text(file.read_text().replace("otters:8000", "otters-1:8000 otters-2:8000"))
    upstreams.remove_service(tmp_path, "otters")
    upstreams.remove_service(tmp_path, "otters_too")
    upstreams.remove_service(tmp_path, "otters_too")
    assert file.read_text() == before


@pytest.mark.parametrize(
    "declared",
    [
        '[project]\ndependencies = ["core", "order_items >= 1"]',
        '[project]\noptional-dependencies.more = ["order-items"]',
        '[project]\n[dependency-groups]\ntest = [{ include-group = "x" }]\nx = ["Order.Items[local]"]',
    ],
)
def test_a_member_that_needs_a_service_is_found(tmp_path, declared):
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["*"]')
    for name in ("order_items", "shop", "core"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text('[project]\ndependencies = ["orders"]')
    assert dependents("order_items", members_of(tmp_path)) == []
    (tmp_path / "shop/pyproject.toml").write_text(declared)
    assert dependents("order_items", members_of(tmp_path)) == ["shop"]


@pytest.mark.parametrize(
    ("call", "added", "alias"),
    [
        ('service("otters", routers=[])', f'service("otters", routers=[baskets_router,], {MORE})', "baskets_router"),
        ('service("otters", routers=())', f'service("otters", routers=(baskets_router,), {MORE})', "baskets_router"),
        ("service(routers=(a_router,))", f"service(routers=(a_router, baskets_router,), {MORE})", "baskets_router"),
        ("service(routers=[a, b])", f"service(routers=[a, b, baskets], {MORE})", "baskets"),
        ("service(routers=[a, b(c)], more=[d])", f"service(routers=[a, b(c), baskets], more=[d], {MORE})", "baskets"),
        (
            "service(\n    routers=[\n        ö,  # it\n    ],\n)",
            f"service(\n    routers=[\n        ö, baskets,  # it\n    ], {MORE},\n)",
            "baskets",
        ),
        ("service(routers=[(a)])", f"service(routers=[(a), baskets], {MORE})", "baskets"),
        (
            "service(routers=[*x, (\n    a  # one\n) # two\n, # three\n])",
            f"service(routers=[*x, (\n    a  # one\n) # two\n, baskets, # three\n], {MORE})",
            "baskets",
        ),
        (
            "service(routers=ALL)\nALL = (a,)",
            f"service(routers=ALL, {MORE})\nALL = (a, baskets,)",
            "baskets",
        ),
        (
            "service(x=baskets, routers=[a])",
            f"service(x=baskets, routers=[a, baskets_router], {MORE})",
            "baskets_router",
        ),
    ],
)
def test_a_router_is_listed_last(tmp_path, call, added, alias):
    app = tmp_path / "app.py"
    app.write_text(f'"""Otters."""\n\n{IMPORTS}app = {call}\n')
    add_declarations(app, BASKETS)
    assert app.read_text() == f'"""Otters."""\n\n{IMPORTED.format(alias)}{IMPORTS}app = {added}\n'


def test_what_a_slice_declares_is_listed_where_others_of_its_service_are(tmp_path):
    app = tmp_path / "app.py"
    app.write_text(f"{IMPORTS}app = service(handlers=(a,), replays=[], routers=[b], announces=[c])\n")
    add_declarations(app, BASKETS)
    given = "handlers=(a, baskets_handlers,), replays=[baskets_replays,], routers=[b, baskets]"
    assert app.read_text().endswith(f"app = service({given}, announces=[c, baskets_announcements])\n")


@pytest.mark.parametrize("argument", DECLARED)
def test_an_app_that_lists_no_declarations_where_they_are_looked_for_is_refused(tmp_path, argument):
    app = tmp_path / "app.py"
    app.write_text(f"{IMPORTS}app = service(routers=[a], {argument}=ALL)\n")
    with pytest.raises(Refused, match=rf"app\.py does not call service\(\.\.\., {argument}=\[\.\.\.\]\), where"):
        add_declarations(app, BASKETS)
    assert app.read_text() == f"{IMPORTS}app = service(routers=[a], {argument}=ALL)\n"


def test_lines_end_as_they_did(tmp_path):
    app = tmp_path / "app.py"
    app.write_bytes(b'"""Otters.\x0c"""\r\nfrom a import service\r\napp = service(routers=[a])\r\n')
    add_declarations(app, BASKETS)
    assert app.read_bytes().splitlines(keepends=True)[1:] == [
        *IMPORTED.format("baskets").replace("\n", "\r\n").encode().splitlines(keepends=True),
        b"from a import service\r\n",
        f"app = service(routers=[a, baskets], {MORE})\r\n".encode(),
    ]


@pytest.mark.parametrize(
    "call",
    [
        "service()",
        "service(routers=ROUTERS)",
        "other(routers=[])",
        "service(routers=[a]) or service(routers=[])",
    ],
)
def test_an_app_without_one_list_of_routers_is_refused(tmp_path, call):
    app = tmp_path / "app.py"
    app.write_text(f"{IMPORTS}app = {call}\n")
    with pytest.raises(Refused, match=r"app\.py does not call service\(\.\.\., routers=\[\.\.\.\]\) once"):
        add_declarations(app, BASKETS)
    assert app.read_text() == f"{IMPORTS}app = {call}\n"


HEAD = "## What it tells again\n\n| what | which |\n|---|---|\n"
ROW = "| `baskets` | all that there are |\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# otters\n", None),
        (f"# otters\n\n{HEAD}| `pups` | all |\n", f"# otters\n\n{HEAD}| `pups` | all |\n{ROW}"),
        (f"{HEAD}| `pups` | all |\n\nIn order.\n\n## More\n", f"{HEAD}| `pups` | all |\n{ROW}\nIn order.\n\n## More\n"),
        ("## What it tells again\n\nNothing.\n\n## More\n\n| a |\n", f"{HEAD}{ROW}\nNothing.\n\n## More\n\n| a |\n"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_a_slice_tells_again_gets_a_row_on_the_page_of_its_service(tmp_path, before, after, end):
    page = tmp_path / "README.md"
    page.write_bytes(before.replace("\n", end).encode())
    add_rows(page, BASKETS)
    written = page.read_bytes().decode()
    operations = "## Operations\n\n| operation | who may |\n|---|---|\n| `POST /v1/baskets` | a caller |\n"
    announced = "\n## Events it announces\n\n| type | fields | when |\n|---|---|---|\n| `basket.made` |"
    # Sections that were not there come last.
    assert written.startswith(f"{after or before}\n{operations}".replace("\n", end))
    assert announced.replace("\n", end) in written
    assert written.count(ROW.replace("\n", end)) == 1
    assert written.count("\n") == written.count(end)


def test_a_service_without_a_page_is_refused(tmp_path):
    with pytest.raises(Refused, match=r"README\.md is not there: write it first"):
        add_rows(tmp_path / "README.md", BASKETS)


def test_a_snapshot_is_what_files_and_folders_were(tmp_path):
    tool, note, folder, new = (tmp_path / name for name in ("tool", "folder/note", "folder", "new"))
    folder.mkdir()
    (folder / "empty").mkdir()
    tool.write_bytes(b"\r\n\xff")
    tool.chmod(0o755)
    note.write_text("kept")
    before = Snapshot.of([tool, folder, new])
    tool.unlink()
    note.write_text("changed")
    (folder / "empty").rmdir()
    for made in (folder / "more/deep", new / "deep"):
        made.mkdir(parents=True)
        (made / "file").touch()
    before.restore()
    assert (tool.read_bytes(), tool.stat().st_mode & 0o777) == (b"\r\n\xff", 0o755)
    assert note.read_text() == "kept"
    assert sorted(tmp_path.rglob("*")) == [folder, folder / "empty", note, tool]
