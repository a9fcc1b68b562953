"""A real IMAP server for the small world: one mailbox on a loopback port, in memory, behind a password.

In tests: ``with ImapServer() as server: server.deliver(raw); ...; server.folder("Caseproof")``.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from argparse import Namespace
from collections.abc import Collection, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from proxyprotocol.result import ProxyResultUnknown
from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, Login
from pymap.backend.dict.mailbox import MailboxData, MailboxSet
from pymap.concurrent import Subsystem
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.user import Passwords, UserMetadata
from pysasl.hashing import BuiltinHash

from caseproof.channels.inbound.imap_account import ImapAccount
from caseproof.channels.servers import Security

USER, PASSWORD = "cases", "sandbox-mailbox"
_SECONDS = 60.0

T = TypeVar("T")


class _Config(Config):
    """pymap's settings, without what shall not be offered, and without asking DNS for our own name."""

    def __init__(self, withheld: Collection[str], **options: Any) -> None:
        self._withheld = {name.encode() for name in withheld}
        # pymap reads its command line's leftovers.
        args = Namespace(passlib_cfg=None, proxy_protocol=None)
        quick = {"hash_context": BuiltinHash(rounds=1), "cpu_subsystem": Subsystem.for_asyncio()}
        super().__init__(args, demo_data=False, host=None, port=0, reject_dnsbl=False, **quick, **options)

    @property
    def greeting(self) -> bytes:
        return b"the small world's mailbox"

    @property
    def login_capability(self) -> Sequence[bytes]:
        return [name for name in super().login_capability if name not in self._withheld]


class ImapServer:
    """An IMAP server with one mailbox, on a loopback port (0: a free one), from ``with`` until its end.

    ``tls``: a server context; with ``tls_at_once`` for TLS from the first byte, else it is offered as STARTTLS and no
    login is taken before. ``withheld``: what this server says it cannot do, of MOVE, IDLE and UIDPLUS.
    """

    def __init__(
        self,
        *,
        user: str = USER,
        password: str = PASSWORD,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        tls_at_once: bool = False,
        withheld: Collection[str] = (),
    ) -> None:
        self.user, self.password, self.host, self.port = user, password, "127.0.0.1", port
        self._tls, self._at_once, self._withheld = tls, tls_at_once, withheld
        self._loop = asyncio.new_event_loop()
        self._over: asyncio.Event
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="imap-server", daemon=True)
        self._mailboxes: MailboxSet
        self._connections: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> ImapServer:
        self._thread.start()
        if not self._ready.wait(_SECONDS):
            raise TimeoutError(f"The IMAP server did not start within {_SECONDS:g} seconds.")
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # it is over already
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_SECONDS)

    def account(self, **other: Any) -> ImapAccount:
        """How this mailbox is read; ``other``: fields that shall be otherwise."""
        security: Security = "plain" if self._tls is None else "ssl" if self._at_once else "starttls"
        given = {
            "host": self.host, "port": self.port, "security": security, "username": self.user,
            "password": self.password, "timeout_seconds": 30.0,
        }  # fmt: skip
        return ImapAccount(**(given | other))

    # -- what lies in it -----------------------------------------------------------------------------------------------

    def deliver(self, raw: bytes, folder: str = "INBOX") -> None:
        """Put a message into a folder, which is made if missing; whoever waits in IDLE is told."""
        self._call(self._deliver(raw, folder))

    def folder(self, name: str = "INBOX") -> list[bytes]:
        """The messages of a folder, in the order they came; empty where there is no such folder."""
        return self._call(self._messages(name))

    def folders(self) -> list[str]:
        """The names of all folders."""
        return self._call(self._folders())

    def make_anew(self) -> None:
        """Make INBOX anew with the same messages, as a restored backup does: another UIDVALIDITY, other UIDs."""
        self._call(self._make_anew())

    def hang_up(self) -> None:
        """Cut all connections, as a server that is restarted does."""
        self._call(self._cut())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _deliver(self, raw: bytes, folder: str) -> None:
        await (await self._mailbox(folder, make=True)).append(AppendMessage(raw, datetime.now(UTC)), recent=True)

    async def _messages(self, folder: str) -> list[bytes]:
        try:
            found = await self._mailbox(folder)
        except KeyError:
            return []
        return [bytes(message._content or b"") async for message in found.messages()]

    async def _folders(self) -> list[str]:
        return [entry.name for entry in (await self._mailboxes.list_mailboxes()).list() if entry.exists]

    async def _mailbox(self, name: str, *, make: bool = False) -> MailboxData:
        with suppress(ValueError):
            if make and name.upper() != "INBOX":
                await self._mailboxes.add_mailbox(name)
        return await self._mailboxes.get_mailbox(name)

    async def _make_anew(self) -> None:
        messages = await self._messages("INBOX")
        anew = MailboxData(self._mailboxes._content_cache, self._mailboxes._thread_cache)
        anew._max_uid = 5000
        self._mailboxes._inbox = anew
        for raw in messages:
            await self._deliver(raw, "INBOX")

    async def _cut(self) -> None:
        for connection in list(self._connections):
            connection.cancel()

    # -- the server ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # it must reach the one who waits for the start
            self._failed = error
            self._ready.set()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        at_once = self._tls if self._at_once else None
        starttls = None if self._at_once else self._tls
        config = _Config(
            self._withheld, demo_user=self.user, demo_password=self.password, ssl_context=starttls,
            tls_enabled=starttls is not None,
        )  # fmt: skip
        config.apply_context()
        login = await self._with_user(config)
        serve = IMAPServer(login, config)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            self._connections |= {task} if task else set()
            try:
                await serve(reader, writer, SocketInfo.get(writer, ProxyResultUnknown(), unique_id=b""))
            except (ConnectionError, asyncio.CancelledError, ssl.SSLError):
                pass  # whoever hangs up in the middle of a word
            finally:
                self._connections -= {task} if task else set()
                writer.close()

        server = await asyncio.start_server(connected, self.host, self.port, ssl=at_once)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            await self._over.wait()
        finally:
            server.close()
            for task in (left := asyncio.all_tasks() - {asyncio.current_task()}):
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _with_user(self, config: _Config) -> Login:
        login = Login(config)
        secret = await Passwords(config).hash_password(self.password)
        await login.demo_user_identity.set(UserMetadata(config, self.user, password=secret))
        async with login.demo_user_identity.new_session() as session:  # the mailbox is made with the first one
            self._mailboxes = session.mailbox_set
        return login
