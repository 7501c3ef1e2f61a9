"""${message}."""

% if any("sa." in line for line in lines):
import sqlalchemy as sa
% endif
from alembic.operations import Operations
% for line in imports:
${line}
% endfor

revision = "${up_revision}"
down_revision = ${"None" if down_revision is None else f'"{down_revision}"'}


def upgrade(op: Operations) -> None:
% for line in lines or ["pass"]:
    ${line}
% endfor
