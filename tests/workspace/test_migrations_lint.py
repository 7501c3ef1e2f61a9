"""What a migration may not do while others use the database, what it may, and how an exception is agreed to."""

import subprocess
import sys
from pathlib import Path

import pytest
from workspace.migrations.lint import HOW_TO_ALLOW, WrongBaselineError, findings_in, lint_migrations

HEAD = """import sqlalchemy as sa

revision = "0002_change"
down_revision = "0001_start"


def upgrade(op):
"""
FIRST_LINE = HEAD.count("\n") + 1


@pytest.fixture
def judged(tmp_path):
    """`judged("op.…", "op.…")`: what is found in a migration of these lines, by line of the body and rule."""

    def found(*lines: str) -> list[tuple[int, str]]:
        file = tmp_path / "0002_change.py"
        file.write_text(HEAD + "".join(f"    {line}\n" for line in lines))
        return [(each.line - FIRST_LINE + 1, each.rule) for each in findings_in(file)]

    return found


REFUSED = {
    "op.create_index('ix', 'things', ['name'])": "require-concurrent-index-creation",
    "op.drop_index('ix', 'things')": "require-concurrent-index-deletion",
    "op.add_column('things', sa.Column('colour', sa.Text(), nullable=False))": "adding-required-field",
    "op.add_column('things', sa.Column('k', sa.Uuid(), server_default=sa.func.uuidv7()))": "adding-field-with-default",
    "op.add_column('things', sa.Column('k', sa.Integer(), sa.Identity()))": "adding-field-with-default",
    "op.execute('ALTER TABLE things ADD COLUMN k bigserial')": "rewrite-table",
    "op.execute('ALTER TABLE things ADD COLUMN k text CHECK (k <> $$$$)')": "checked-field",
    "op.alter_column('things', 'name', nullable=False)": "adding-not-nullable-field",
    "op.create_check_constraint('ck', 'things', 'id > 0')": "constraint-missing-not-valid",
    "op.alter_column('things', 'name', type_=sa.Integer())": "changing-column-type",
    "op.drop_column('things', 'name')": "ban-drop-column",
    "op.drop_table('things')": "ban-drop-table",
    "op.alter_column('things', 'name', new_column_name='label')": "renaming-column",
    "op.rename_table('things', 'others')": "renaming-table",
    "op.execute('VACUUM FULL things')": "rewrite-table",
    "op.execute('CLUSTER things USING ix')": "rewrite-table",
    "op.execute('ALTER TABLE things SET UNLOGGED')": "rewrite-table",
    "op.execute('LOCK TABLE things')": "lock-table",
    "op.execute('TRUNCATE things')": "truncate",
    "op.execute('REFRESH MATERIALIZED VIEW totals')": "refresh-view",
    "op.execute('DO $$ BEGIN PERFORM 1; END $$')": "hidden-statement",
    "op.execute('SET LOCAL lock_timeout = 0')": "lock-timeout",
    "op.execute(\"SELECT set_config('lock_timeout', '0', false)\")": "lock-timeout",
    "op.execute('ALTER TABEL things')": "syntax-error",
    "op.get_bind().execute(sa.text('SELECT 1')).scalar_one().bit_length()": "unreadable",
}


@pytest.mark.parametrize(("line", "rule"), REFUSED.items())
def test_what_keeps_others_waiting_or_takes_away_what_they_use_is_refused(judged, line, rule):
    assert set(judged("pass", line)) == {(2, rule)}


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        (
            "op.create_foreign_key('fk', 'things', 'others', ['o'], ['id'])",
            {"adding-foreign-key-constraint", "constraint-missing-not-valid"},
        ),
        (
            "op.add_column('things', sa.Column('o', sa.Integer(), sa.ForeignKey('others.id')))",
            {"adding-foreign-key-constraint", "constraint-missing-not-valid"},
        ),
        (
            "op.create_unique_constraint('uq', 'things', ['name'])",
            {"constraint-missing-not-valid", "disallowed-unique-constraint"},
        ),
        (
            "op.create_primary_key('pk', 'things', ['id'])",
            {"constraint-missing-not-valid", "adding-serial-primary-key-field"},
        ),
    ],
)
def test_a_constraint_that_scans_the_table_is_refused(judged, line, rules):
    assert {rule for _, rule in judged(line)} == rules


CONCURRENTLY = "op.create_index('ix', 'things', ['name'], postgresql_concurrently=True, if_not_exists=True)"
TAKEN = {
    "a column": ["op.add_column('things', sa.Column('colour', sa.Text()))"],
    "a default that is one for all": [
        "op.add_column('things', sa.Column('at', sa.DateTime(), server_default=sa.func.now(), nullable=False))"
    ],
    "what is less strict": ["op.alter_column('things', 'name', nullable=True)", "op.drop_constraint('ck', 'things')"],
    "a constraint that is not validated": [
        "op.create_check_constraint('ck', 'things', 'id > 0', postgresql_not_valid=True)",
        "op.create_foreign_key('fk', 'things', 'others', ['o'], ['id'], postgresql_not_valid=True)",
    ],
    "its validation": ["op.execute('ALTER TABLE things VALIDATE CONSTRAINT ck')"],
    "NOT NULL after its check": [
        "op.execute('ALTER TABLE things VALIDATE CONSTRAINT ck')",
        "op.alter_column('things', 'name', nullable=False)",
    ],
    "a constraint of an index": ["op.execute('ALTER TABLE things ADD CONSTRAINT uq UNIQUE USING INDEX ix')"],
    "an index that is built concurrently": ["with op.get_context().autocommit_block():", f"    {CONCURRENTLY}"],
    "rows": ["op.execute('UPDATE things SET name = 1 WHERE name IS NULL')"],
    "all of that in a new table": [
        "op.create_table('things', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('o', sa.Integer()))",
        "op.create_index('ix', 'things', ['id'])",
        "op.add_column('things', sa.Column('name', sa.Text(), nullable=False))",
        "op.alter_column('things', 'name', type_=sa.Integer())",
        "op.create_check_constraint('ck', 'things', 'id > 0')",
        "op.create_foreign_key('fk', 'things', 'others', ['o'], ['id'])",
        "op.create_unique_constraint('uq', 'things', ['name'])",
    ],
}


@pytest.mark.parametrize("lines", TAKEN.values(), ids=TAKEN.keys())
def test_what_keeps_nobody_waiting_is_taken(judged, lines):
    assert judged(*lines) == []


def test_what_is_committed_before_the_migration_is_can_be_done_again(judged):
    block = "with op.get_context().autocommit_block():"
    column = "op.add_column('things', sa.Column('colour', sa.Text()){})"
    assert judged(column.format(""), block, f"    {CONCURRENTLY}") == [(1, "not-repeatable")]
    assert judged(block, f"    {CONCURRENTLY}", column.format("")) == []
    assert judged(column.format(", if_not_exists=True"), block, f"    {CONCURRENTLY}") == []
    twice = CONCURRENTLY.replace(", if_not_exists=True", "")
    assert judged(block, f"    {twice}") == [(2, "prefer-robust-stmts")]


def test_only_what_is_concurrent_is_outside_of_a_transaction_where_no_lock_timeout_holds(judged):
    column = "op.add_column('things', sa.Column('colour', sa.Text()), if_not_exists=True)"
    assert judged("with op.get_context().autocommit_block():", f"    {column}", column) == [
        (2, "outside-a-transaction")
    ]


def test_a_statement_is_where_it_is_sent_from(judged):
    lines = ["for name in ('a', 'b'):", "    op.execute(", "        f'DROP TABLE {name}'", "    )"]
    assert judged(*lines) == [(2, "ban-drop-table")]


DROP = "op.drop_column('things', 'name')"


@pytest.mark.parametrize(
    "lines",
    [
        [f"{DROP}  # allow ban-drop-column: nobody has read it since 0001"],
        ["# allow ban-drop-column: nobody has read it since 0001", DROP],
        ["# allow ban-drop-column: nobody has read it since 0001, which was", "# two releases ago", DROP],
    ],
)
def test_what_has_a_reason_is_allowed(judged, lines):
    assert judged(*lines) == []


@pytest.mark.parametrize("comment", ["# allow ban-drop-column:", "# allow ban-drop-column", "# it is not read"])
def test_without_a_reason_nothing_is_allowed(judged, comment):
    assert judged(comment, DROP) == [(2, "ban-drop-column")]


def test_an_allowance_is_for_one_rule_at_one_place(judged):
    allowed = "# allow ban-drop-column: nobody has read it since 0001"
    assert judged(allowed, DROP, DROP) == [(3, "ban-drop-column")]
    assert judged(allowed, "op.drop_table('things')") == [(1, "ban-drop-column"), (2, "ban-drop-table")]


@pytest.fixture
def workspace(tmp_path):
    """A workspace with one service, whose second migration drops a column."""
    (tmp_path / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['services/*']\n")
    folder = tmp_path / "services/orders/src/orders/migrations"
    folder.mkdir(parents=True)
    (folder / "0001_start.py").write_text(f"{HEAD}    op.create_index('ix', 'things', ['name'])\n")
    (folder / "0002_change.py").write_text(f"{HEAD}    {DROP}\n")
    project(tmp_path, "0001_start")
    return tmp_path


def project(root: Path, baseline: str) -> None:
    text = f"[project]\nname = 'orders'\n[tool.workspace]\nlint-migrations-after = '{baseline}'\n"
    (root / "services/orders/pyproject.toml").write_text(text)


def test_a_finding_names_file_line_and_what_to_do(workspace, capsys):
    assert not lint_migrations(workspace)
    finding, hint = capsys.readouterr().out.splitlines()
    place = f"services/orders/src/orders/migrations/0002_change.py:{FIRST_LINE}: ban-drop-column: "
    assert finding.startswith(place)
    assert finding.endswith("Drop it one release after the code has stopped using it, and say so.")
    assert f"{hint}\n" == HOW_TO_ALLOW


def test_what_was_released_before_there_was_the_lint_is_not_judged(workspace, capsys):
    project(workspace, "0002_change")
    assert lint_migrations(workspace)
    assert capsys.readouterr().out == "Migrations keep nobody waiting.\n"
    project(workspace, "0003_nowhere")
    with pytest.raises(WrongBaselineError, match="'0003_nowhere' is no migration"):
        lint_migrations(workspace)


def test_the_command_fails_where_something_is_found(tree):
    (tree / "services/users/src/users/migrations/0099_change.py").write_text(f"{HEAD}    {DROP}\n")
    command = [sys.executable, "-m", "workspace", "lint-migrations"]
    assert subprocess.run(command, cwd=tree, check=False).returncode == 1
