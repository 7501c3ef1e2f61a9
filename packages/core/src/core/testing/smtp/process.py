"""The process of an SMTP server for tests: aiosmtpd, which writes into a folder what it is sent.

Run by its path, with the arguments of `serve` as JSON: it says `ready`, and ends when its input does.
"""

import asyncio
import itertools
import json
import ssl
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TAKEN = "250 taken"


class Box:
    """What arrives, each in a file of its own; and what is to be answered, which a file says."""

    def __init__(self, folder: Path, behaviour: Path) -> None:
        self._folder = folder
        self._behaviour = behaviour
        # In order, also after a restart.
        self._numbers = itertools.count(len(list(folder.iterdir())))

    def keep(self, kind: str, **content: Any) -> None:
        """Writes one down; a reader sees all of it or nothing."""
        unfinished = self._folder / "unfinished"
        unfinished.write_text(json.dumps(content))
        unfinished.rename(self._folder / f"{kind}-{next(self._numbers):06d}.json")

    async def answer(self, server: SMTP, verb: str) -> str | None:
        """What to say to a verb in place of the usual; it may as well be to say nothing, or to hang up."""
        said = json.loads(self._behaviour.read_text()).get(verb)
        if said == "hang":
            await asyncio.Event().wait()
        if said == "drop":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            await asyncio.Event().wait()
        return said


class Handler:
    """What aiosmtpd calls for each verb."""

    def __init__(self, box: Box, *, password: str | None) -> None:
        self._box = box
        self._password = password

    async def handle_MAIL(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = await self._box.answer(server, "MAIL")
        if refusal is None:
            envelope.mail_from, envelope.mail_options = address, options
        return refusal or "250 go on"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        refusal = await self._box.answer(server, f"RCPT {address}") or await self._box.answer(server, "RCPT")
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 go on"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it so
        refusal = await self._box.answer(server, "DATA")
        if refusal is None:
            content = envelope.content or b""
            assert isinstance(content, bytes)
            login = session.auth_data.login.decode() if session.auth_data else None
            self._box.keep(
                "message",
                sender=envelope.mail_from,
                recipients=envelope.rcpt_tos,
                options=envelope.mail_options,
                content=content.decode("latin-1"),
                is_encrypted=_is_encrypted(server),
                login=login,
            )
            # Taken, and nobody is told.
            refusal = await self._box.answer(server, "TAKEN")
        return refusal or TAKEN

    async def handle_QUIT(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it so
        return await self._box.answer(server, "QUIT") or "221 bye"

    def authenticate(self, server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        """Whether a password is the right one."""
        assert isinstance(data, LoginPassword)
        self._box.keep("attempt", login=data.login.decode(), is_encrypted=_is_encrypted(server))
        is_right = data.password.decode() == self._password
        return AuthResult(success=is_right, handled=False, auth_data=data)


def _is_encrypted(server: SMTP) -> bool:
    return server.transport is not None and server.transport.get_extra_info("sslcontext") is not None


async def serve(
    *,
    port: int,
    folder: str,
    behaviour: str,
    certificate: str | None,
    tls: str,
    password: str | None,
    tempts: bool,
    utf8: bool,
) -> None:
    """Serves until standard input ends. With `tempts`, it takes a password without encryption."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    handler = Handler(Box(Path(folder), Path(behaviour)), password=password)

    def connected() -> SMTP:
        return SMTP(
            handler,
            hostname="loopback",
            enable_SMTPUTF8=utf8,
            tls_context=context if tls == "starttls" else None,
            authenticator=handler.authenticate,
            auth_exclude_mechanism=None if password else ["PLAIN", "LOGIN"],
            # aiosmtpd knows of no encryption from the first byte.
            auth_require_tls=not tempts and tls != "implicit",
        )

    loop = asyncio.get_running_loop()
    await loop.create_server(connected, "127.0.0.1", port, ssl=context if tls == "implicit" else None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    # Then conversations are cut off: some of them hang.
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(**json.loads(sys.argv[1])))
