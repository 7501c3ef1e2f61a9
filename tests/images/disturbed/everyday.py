"""What people do all day, and an admin; what was announced of it is counted in the databases afterwards."""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from load import Answer, Connection, Load
from people import Person
from processes import until
from sql import rows
from stack import Stack

OK, CREATED, DELETED = (200,), (201,), (204,)
AWAY = 503
CLIENTS = 6
# So many requests, to see how it goes.
ENOUGH = 60
CARD = {"provider_token": "pm_card_visa"}


@dataclass
class Everyday:
    """Who is there, and what they were told."""

    stack: Stack
    people: Sequence[Person]
    admin: Person
    # Who is suspended and let in again, each by one client at a time.
    subjects: list[Person]
    told: int = 0
    # What they were told when something was away; none of it if nothing may be.
    refused: list[Answer] = field(default_factory=list)
    may_be_away: bool = False
    _refused_before: int = -1
    _well_since: int = 0

    def load(self, *, reads_only: bool = False) -> Load:
        """Them, at it."""
        visit = self.look if reads_only else self.change
        return Load(self.stack.url, visit, headers={}, clients=CLIENTS, pause_s=0.02)

    async def look(self, connection: Connection) -> None:
        """Two reads of each service."""
        whose = token_of(secrets.choice(self.people))
        for path in ("/users/v1/users/me", "/billing/v1/plans", "/users/v1/sessions", "/billing/v1/payment-methods"):
            await self.ask(connection, "GET", path, whose, expected=OK)

    async def change(self, connection: Connection) -> None:
        """Writes of each service, one of them twice by one key, and reads."""
        whose = token_of(secrets.choice(self.people))
        await self.suspend_for_a_moment(connection)
        await self.look(connection)
        keyed = {**whose, "Idempotency-Key": secrets.token_hex(8)}
        path = "/billing/v1/payment-methods"
        made = await self.ask(connection, "POST", path, keyed, content=CARD, expected=CREATED)
        if made.status not in CREATED:
            return
        again = await self.ask(connection, "POST", path, keyed, content=CARD, expected=CREATED)
        if again.status in CREATED and again.json() != made.json():
            connection.fail(f"POST {path} again", again.body)
        await self.ask(connection, "DELETE", f"{path}/{made.json()['id']}", whose, expected=DELETED)

    async def suspend_for_a_moment(self, connection: Connection) -> None:
        """Of the second change billing is told."""
        if not self.subjects:
            return
        subject = self.subjects.pop()
        me = {**token_of(self.admin), "If-Match": "*"}
        path = f"/users/v1/users/{subject.id}"
        answers = [
            await self.ask(connection, "PATCH", path, me, content={"status": status}, expected=OK)
            for status in ("suspended", "active")
        ]
        self.told += all(answer.status in OK for answer in answers)
        self.subjects.append(subject)

    async def ask(
        self,
        connection: Connection,
        method: str,
        path: str,
        whose: dict[str, str],
        *,
        expected: tuple[int, ...],
        content: Any = None,
    ) -> Answer:
        """An answer that is expected, or one that says that something is away, if it may be."""
        allowed = {*expected, AWAY} if self.may_be_away else expected
        answer = await connection.ask(method, path, headers=whose, expected=allowed, content=content)
        if answer.status == AWAY:
            self.refused.append(answer)
        return answer

    def is_well_for(self, enough: int, load: Load) -> bool:
        """Whether so many requests in a row were not refused; each call begins where the last refusal was."""
        if len(self.refused) != self._refused_before:
            self._refused_before, self._well_since = len(self.refused), load.requests
        return load.requests >= self._well_since + enough

    def assert_refused_well(self) -> None:
        """All who were refused can go on."""
        for answer in self.refused:
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1

    def causes(self) -> Counter[str]:
        """What the refusals said."""
        return Counter(answer.json()["code"] for answer in self.refused)

    def assert_each_event_was_handled_once(self) -> None:
        """Each of those changes is one event, and billing has handled it; nothing waits, nothing is dead."""
        ids = "SELECT id FROM outbox WHERE type = 'user.updated' ORDER BY 1"
        handled = "SELECT event_id FROM inbox WHERE type = 'user.updated' AND handled_at IS NOT NULL ORDER BY 1"

        def all_are() -> bool:
            return rows(self.stack, ids, database="users") == rows(self.stack, handled, database="billing")

        until(all_are, "an event was lost, or handled by nobody")
        assert len(rows(self.stack, ids, database="users")) >= self.told > 0
        dead = "SELECT type, last_error FROM {} WHERE dead_at IS NOT NULL"
        for service in ("users", "billing"):
            assert [rows(self.stack, dead.format(table), database=service) for table in ("outbox", "inbox")] == [[], []]


def token_of(person: Person) -> dict[str, str]:
    """What shows who somebody is."""
    return {"Authorization": person.headers["Authorization"]}


def answered(load: Load, *, enough: int = ENOUGH) -> None:
    """Waits until so many more requests have been answered."""
    before = load.requests
    until(lambda: load.requests >= before + enough, "nobody is answered")
