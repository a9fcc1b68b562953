"""A relay before a Prefect API that counts what is asked of it: requests, and messages of websockets.

It passes on every byte as it is, and only reads along. Each process that is counted by itself has a relay of its own.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MESSAGE = "(message)"
"""How the kind of a websocket's message ends."""
_TEXT, _BINARY = 1, 2  # kinds of frames that begin a message (RFC 6455)
_LONG, _LONGER = 126, 127  # lengths that say: the length stands in the next 2, or 8, bytes
_NAMES = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "{id}"),
    (re.compile(r"^work_pools/[^/]+"), "work_pools/{pool}"),
    (re.compile(r"/input/[^/]+"), "/input/{key}"),
    (re.compile(r"/name/.+"), "/name/{name}"),
)


def kind_of(method: str, target: str) -> str:
    """What is asked, without whom: ``GET flow_runs/{id}``."""
    path = urlsplit(target).path.removeprefix("/api").strip("/")
    for pattern, name in _NAMES:
        path = pattern.sub(name, path)
    return f"{method} {path}"


@dataclass
class Relay:
    """A relay that runs; ``counts`` is what was asked until now, by kind."""

    port: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def api_url(self) -> str:
        """What to call instead of the API."""
        return f"http://127.0.0.1:{self.port}/api"


@contextmanager
def relay_before(api_url: str) -> Iterator[Relay]:
    """A relay on a free loopback port for as long as the block runs."""
    there, relay, loop = urlsplit(api_url), Relay(), asyncio.new_event_loop()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, onwards = await asyncio.open_connection(there.hostname, there.port)
        counting = _count(relay.counts)
        next(counting)
        await asyncio.gather(_pass_on(reader, onwards, counting), _pass_on(answers, writer))

    server = loop.run_until_complete(asyncio.start_server(take, "127.0.0.1", 0))
    relay.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counting: Generator[None, bytes] | None = None
) -> None:
    with suppress(OSError):
        while some := await reader.read(65536):
            if counting is not None:
                counting.send(some)
            writer.write(some)
            await writer.drain()
    writer.close()


def _count(counts: Counter[str]) -> Generator[None, bytes]:
    """Counts what a client sends over one connection; the bytes are sent in, in pieces of any size."""
    got = b""
    while True:
        while b"\r\n\r\n" not in got:
            got += yield
        head, _, got = got.partition(b"\r\n\r\n")
        asked, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, _ = asked.split(" ", 2)
        if headers.get("upgrade", "").lower() == "websocket":
            kind = kind_of("WS", target)
            counts[kind] += 1
            yield from _count_messages(counts, f"{kind} {MESSAGE}", got)
            return
        counts[kind_of(method, target)] += 1
        length = int(headers.get("content-length", 0))
        while len(got) < length:
            got += yield
        got = got[length:]


def _count_messages(counts: Counter[str], kind: str, got: bytes) -> Generator[None, bytes]:
    while True:
        while len(got) < 2:
            got += yield
        size, start = got[1] & 0x7F, 2
        if size in (_LONG, _LONGER):
            start += 2 if size == _LONG else 8
            while len(got) < start:
                got += yield
            size = int.from_bytes(got[2:start])
        end = start + 4 + size  # a client's frames are masked, by 4 bytes
        while len(got) < end:
            got += yield
        counts[kind] += got[0] & 0x0F in (_TEXT, _BINARY)
        got = got[end:]
