"""A small and fast HTTP/1.1 server for the simulators: asyncio alone, connections kept, answers as late as wished."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: ``path`` without the query, decoded; ``body`` is its JSON (an empty one is {}), its form's pairs, or
    the ``Part`` list of a form with files.

    ``headers`` have small letters in their names; ``raw_query`` is the query as it came.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    raw_query: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a form with files."""

    name: str
    file: str
    media_type: str
    content: bytes


@dataclass(slots=True)
class Reply:
    """An answer in JSON; bytes are sent as they are.

    ``drop``: break off the connection instead; ``after``: seconds later than the latency.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    after: float = 0.0

    def encoded(self) -> bytes:
        content = b"" if self.status == HTTPStatus.NO_CONTENT else self._content()
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in {"Content-Type": "application/json", **self.headers}.items()]
        return "\r\n".join([*lines, "", ""]).encode() + content

    def _content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()


class Connection(asyncio.Protocol):
    """One connection of a client that waits for each answer before it asks again, as HTTP clients do."""

    def __init__(self, answer: Callable[[Asked], Reply], latency: float) -> None:
        self._answer = answer
        self._latency = latency
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, rest = self._got.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._got = rest[length:]
        method, target, _ = lines[0].split(" ", 2)
        path, _, query = target.partition("?")
        try:
            body = self._body(rest[:length], headers) if length else {}
        except ValueError:
            self._send(Reply({"detail": "This is no JSON."}, 422))
            return
        reply = self._answer(Asked(method, unquote(path), dict(parse_qsl(query)), body, headers, query))
        wait = self._latency + reply.after
        if wait:
            asyncio.get_running_loop().call_later(wait, self._send, reply)
        else:
            self._send(reply)

    @staticmethod
    def _body(content: bytes, headers: Mapping[str, str]) -> Any:
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return parse_qsl(content.decode(), keep_blank_values=True)
        if headers.get("content-type", "").startswith("multipart/form-data"):
            return _parts(content, headers["content-type"].partition("boundary=")[2].strip('"').encode())
        return json.loads(content)

    def _send(self, reply: Reply) -> None:
        if reply.drop:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(reply.encoded())


def _parts(content: bytes, boundary: bytes) -> list[Part]:
    """The parts of a form. Raises ValueError for what is none."""
    found = []
    for piece in content.split(b"--" + boundary)[1:-1]:
        head, _, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        said = Message()
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            said[name] = value
        name = str(said.get_param("name", "", "content-disposition"))
        found.append(Part(name, said.get_filename("") or "", said.get_content_type(), body.removesuffix(b"\r\n")))
    return found
