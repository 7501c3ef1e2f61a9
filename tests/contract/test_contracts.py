"""A change of a document that breaks its clients is refused, unless somebody says why it may."""

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from contracts import BYTES_AN_OPERATION_MAX, base_revision, judged, main, size_of, waivers_in

COMMITTED = json.loads((Path(__file__).parents[2] / "services/billing/openapi.json").read_text())
REMOVED = "GET /v1/plans/{plan_id} > response 200 > field 'name'"


@pytest.fixture
def old():
    return deepcopy(COMMITTED)


@pytest.fixture
def new():
    document = deepcopy(COMMITTED)
    document["info"]["version"] = "99.0.0"
    return document


def a_field_is_removed(document):
    del document["components"]["schemas"]["PlanRead"]["properties"]["name"]


def a_field_of_the_problem_is_removed(document):
    del document["components"]["schemas"]["Problem"]["properties"]["code"]


def a_parameter_becomes_required(document):
    document["components"]["parameters"]["cursor"]["required"] = True


def a_required_parameter_is_new(document):
    parameter = {"name": "region", "in": "query", "required": True, "schema": {"type": "string"}}
    document["paths"]["/v1/plans"]["get"]["parameters"].append(parameter)


def a_required_field_is_new(document):
    schema = document["components"]["schemas"]["PlanCreate"]
    schema["properties"]["region"] = {"type": "string"}
    schema["required"].append("region")


def an_operation_is_removed(document):
    del document["paths"]["/v1/plans"]["post"]


def a_path_is_removed(document):
    del document["paths"]["/v1/plans/{plan_id}"]


def a_value_is_removed(document):
    document["components"]["schemas"]["PriceCreate"]["properties"]["interval"]["enum"].remove("year")


def signing_in_is_required(document):
    document["paths"]["/v1/plans"]["get"]["security"] = [{"access_token": []}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (a_field_is_removed, REMOVED),
        (a_field_of_the_problem_is_removed, "GET /v1/plans > response default > field 'code'"),
        (a_parameter_becomes_required, "GET /v1/plans > parameter 'cursor'"),
        (a_required_parameter_is_new, "GET /v1/plans: New required parameter added: 'region'"),
        (a_required_field_is_new, "POST /v1/plans > request body > field 'region'"),
        (an_operation_is_removed, "POST /v1/plans: HTTP method removed"),
        (a_path_is_removed, "/v1/plans/{plan_id}: Endpoint completely removed"),
        (a_value_is_removed, "POST /v1/plans/{plan_id}/prices > request body > field 'interval'"),
    ],
)
def test_a_change_that_breaks_clients_is_refused(old, new, change, told):
    change(new)
    failures = judged(old, new, []).failures
    assert [each for each in failures if each.startswith(f"breaks clients: {told}")]


def test_to_ask_for_a_token_where_none_was_asked_for_breaks_clients(old, new):
    old["paths"]["/v1/plans"]["get"]["security"] = []
    signing_in_is_required(new)
    (failure,) = judged(old, new, []).failures
    assert "authentication" in failure


def test_what_is_added_breaks_nobody(old, new):
    new["components"]["schemas"]["PlanRead"]["properties"]["region"] = {"type": "string"}
    new["components"]["schemas"]["PlanCreate"]["properties"]["region"] = {"type": "string"}
    parameter = {"name": "region", "in": "query", "schema": {"type": "string"}}
    new["paths"]["/v1/plans"]["get"]["parameters"].append(parameter)
    new["paths"]["/v1/regions"] = new["paths"]["/v1/plans"]
    assert judged(old, new, []).failures == []


def test_the_same_document_breaks_nobody(old):
    verdict = judged(old, deepcopy(old), [])
    assert (verdict.failures, verdict.notes) == ([], [])


def breaking(document):
    """What billing's document would be refused for, without the words around it."""
    a_field_is_removed(document)
    failures = judged(COMMITTED, document, []).failures
    return [each.removeprefix("breaks clients: ") for each in failures]


def waivers_file(folder, changes, version="99.0.0", reason='reason = "Nobody read it."'):
    file = folder / "openapi-waivers.toml"
    file.write_text(
        "".join(f"[[waiver]]\nchange = {json.dumps(each)}\nversion = '{version}'\n{reason}\n" for each in changes)
    )
    return file


def test_a_waived_change_passes_and_its_reason_is_told(tmp_path, old, new):
    waivers = waivers_in(waivers_file(tmp_path, breaking(new)))
    verdict = judged(old, new, waivers)
    assert verdict.failures == []
    assert len(verdict.notes) == len(waivers) > 0
    assert all("Nobody read it." in note for note in verdict.notes)


def test_a_waiver_is_for_one_change(tmp_path, old, new):
    waivers = waivers_in(waivers_file(tmp_path, breaking(new)))
    del new["paths"]["/v1/customers/me"]
    (failure,) = judged(old, new, waivers).failures
    assert failure.startswith("breaks clients: /v1/customers/me: Endpoint completely removed")


def test_a_waiver_of_a_change_that_nobody_made_fails(tmp_path, old, new):
    verdict = judged(old, new, waivers_in(waivers_file(tmp_path, ["GET /v1/plans: Gone."])))
    assert verdict.failures == ["waives nothing: GET /v1/plans: Gone."]


def test_a_waiver_of_a_version_that_was_there_before_is_history(tmp_path, old, new):
    history = waivers_in(waivers_file(tmp_path, ["GET /v1/plans: Gone."], version=old["info"]["version"]))
    assert judged(old, new, history).failures == []
    breaking_now = breaking(new)
    new["info"]["version"] = old["info"]["version"]
    stale = waivers_in(waivers_file(tmp_path, breaking_now, version=old["info"]["version"]))
    verdict = judged(old, new, stale)
    assert len(verdict.failures) == len(breaking_now)
    assert "a waiver needs a version that comes with the change" in verdict.notes[-1]


@pytest.mark.parametrize("reason", ["", 'reason = ""', 'reason = " "', 'why = "Nobody read it."', "reason = 7"])
def test_a_waiver_without_a_reason_is_no_waiver(tmp_path, reason):
    with pytest.raises(ValueError, match="a waiver has a change, a version and a reason"):
        waivers_in(waivers_file(tmp_path, ["GET /v1/plans: Gone."], reason=reason))


def test_no_file_has_no_waivers(tmp_path):
    assert waivers_in(tmp_path / "openapi-waivers.toml") == []


@pytest.fixture
def workspace(tmp_path):
    """A repository with one service, whose document was committed once."""
    root = tmp_path / "workspace"
    (root / "services/billing").mkdir(parents=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root, COMMITTED)
    return root


def git(root, *arguments):
    who = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
    done = subprocess.run(["git", "-C", root, *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(root, document):
    (root / "services/billing/openapi.json").write_text(json.dumps(document))


def commit(root, document):
    write(root, document)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message=A change")
    return git(root, "rev-parse", "HEAD")


def test_a_branch_is_compared_with_where_it_left_main(workspace, new, capsys):
    left = git(workspace, "rev-parse", "HEAD")
    git(workspace, "switch", "--quiet", "--create=work")
    commit(workspace, COMMITTED)
    an_operation_is_removed(new)
    commit(workspace, new)
    assert base_revision(workspace) == left
    assert main([], workspace) == 1
    assert "billing: breaks clients: POST /v1/plans: HTTP method removed" in capsys.readouterr().out


def test_main_is_compared_with_the_commit_before(workspace, new):
    an_operation_is_removed(new)
    commit(workspace, new)
    assert main([], workspace) == 1
    commit(workspace, new)
    assert main([], workspace) == 0


def test_what_is_not_committed_yet_is_compared_too(workspace, new):
    git(workspace, "switch", "--quiet", "--create=work")
    commit(workspace, COMMITTED)
    an_operation_is_removed(new)
    write(workspace, new)
    assert main([], workspace) == 1


def test_a_chosen_base_is_what_it_is_compared_with(workspace, new, capsys):
    first = git(workspace, "rev-parse", "HEAD")
    an_operation_is_removed(new)
    commit(workspace, new)
    commit(workspace, new)
    assert main(["--base", first], workspace) == 1
    assert main(["--base", "nowhere"], workspace) == 2
    assert "nowhere is no commit here" in capsys.readouterr().out


def test_without_a_commit_to_compare_with_it_says_so(workspace, new, capsys):
    an_operation_is_removed(new)
    write(workspace, new)
    assert main([], workspace) == 0
    assert "NOT COMPARED" in capsys.readouterr().out


def test_a_new_service_is_compared_with_nothing(workspace, capsys):
    other = workspace / "services/users"
    other.mkdir()
    (other / "openapi.json").write_text(json.dumps(COMMITTED))
    commit(workspace, COMMITTED)
    assert main([], workspace) == 0
    assert "users: NOT COMPARED" in capsys.readouterr().out


def test_a_waiver_that_cannot_be_read_fails_and_is_named(workspace, capsys):
    commit(workspace, COMMITTED)
    waivers_file(workspace / "services/billing", ["GET /v1/plans: Gone."], reason="")
    assert main([], workspace) == 2
    assert "openapi-waivers.toml" in capsys.readouterr().out


def test_a_waived_change_passes_from_end_to_end(workspace, new):
    waivers_file(workspace / "services/billing", breaking(new))
    commit(workspace, new)
    assert main([], workspace) == 0


def test_a_document_is_bounded_by_its_operations(workspace, old, capsys):
    commit(workspace, COMMITTED)
    operations, size = size_of(old)
    assert f"billing: {operations} operations of {size // operations} bytes" in _said(workspace, capsys)
    old["info"]["description"] = "x" * BYTES_AN_OPERATION_MAX * operations
    write(workspace, old)
    assert main([], workspace) == 1


def _said(workspace, capsys):
    assert main([], workspace) == 0
    return capsys.readouterr().out
