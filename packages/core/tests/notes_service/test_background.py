"""What notes does beside its requests: it counts what folders were given, and forgets what nobody changes."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from notes.pages.models import Folder, Page
from sqlalchemy import select

from core.ids import new_id


async def test_each_page_counts_once_for_its_folder(client, signed_in, database, becomes):
    writer = signed_in("notes:write")
    for title in ("1", "2"):
        page = {"title": title, "folder": "kitchen"}
        await client.post("/v1/pages", json=page, headers={**writer, "Idempotency-Key": title})
    counted = select(Folder.name, Folder.pages_made)

    async def both_are_counted() -> bool:
        async with database.transaction() as session:
            return (await session.execute(counted)).all() == [("kitchen", 2)]

    assert await becomes(both_are_counted)


@pytest.mark.parametrize(("keep_days", "left"), [("1", []), ("3", ["Tea"])])
async def test_a_page_is_forgotten_when_nobody_has_changed_it_for_long(
    database, database_url, tmp_path, keep_days, left
):
    then = datetime.now(UTC) - timedelta(days=2)
    async with database.transaction() as session:
        session.add(Page(id=new_id(), title="Tea", created_at=then, changed_at=then))
    told = {"ENVIRONMENT": "local", "DATABASE__URL": database_url, "DATA_DIR": str(tmp_path)}
    environment = {f"NOTES_{name}": value for name, value in {**told, "KEEP_PAGES_DAYS": keep_days}.items()}
    command = [sys.executable, "-m", "notes", "jobs", "run", "forget_old_pages"]
    await asyncio.to_thread(
        subprocess.run, command, cwd=Path(__file__).parents[1], env=os.environ | environment, check=True
    )
    async with database.transaction() as session:
        assert (await session.scalars(select(Page.title))).all() == left
