"""The one way out of the browser that takes pictures: a proxy of our own, which opens no door to the inner network.

A page, and whatever it loads or leads to, may name any address: that of a service beside us, of a cloud's keys, of this
machine; by another name, by a redirect, by a name that changes its address between two questions. So nothing is decided
by names or by what the browser is about to ask: each connection is made here, to an address that was looked at. Public
addresses may be reached; private ones only where the platform itself was set up.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_SECONDS = 15.0  # to connect, and to be told where to
_PIECE = 1 << 16
_MOST_AT_ONCE = 200
_TRANSLATES = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64: an IPv4 address stands in its last 32 bits
_INNER = (
    ".internal", ".intranet", ".intra", ".local", ".localdomain", ".localhost", ".lan", ".corp", ".home", ".private",
    ".home.arpa", ".test",
)  # fmt: skip

_DONE, _FAILED, _FORBIDDEN = 0, 1, 2  # as SOCKS says it (RFC 1928)

Place = tuple[str, int]
"""A host and a port."""


class Forbidden(OSError):
    """A connection that is not made."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not of our networks, of this machine, or of many hosts."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _TRANSLATES:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _is_inner_name(host: str) -> bool:
    """Whether a name is one that inner networks give: where only a proxy knows addresses, names are all there is."""
    return "." not in host or host.endswith(_INNER)


def place_of(url: str) -> Place:
    """The host, in small letters, and the port of an address with http or https. Raises ValueError for another."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), {"http": 80, "https": 443}.get(parts.scheme)
    if not host or port is None:
        raise ValueError("this is not the address of a web page")
    return host, parts.port or port


class Gate:
    """A SOCKS proxy on a free port of this machine, for one browser; use it as a context manager.

    ``own`` are the addresses under which the platform was set up. ``refused`` are the places to which no connection was
    made because they are private, ``failed`` says why one to the platform could not be made.
    """

    def __init__(self, own: Iterable[str]) -> None:
        self._own = {place_of(url) for url in own}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._closed = False
        self._few = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self.address = f"socks5://127.0.0.1:{self._listener.getsockname()[1]}"
        self.refused: list[str] = []
        self.failed = ""

    @property
    def why(self) -> str:
        """Why a page was not reached, to be put behind what the browser says of it; "" where nothing is known."""
        refused = f"{self.refused[0]} is a private address, and not the platform's own" if self.refused else ""
        return f" ({(self.failed or refused)[:200]})" if self.failed or refused else ""

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True, name="gate").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for one in (self._listener, *tuple(self._open)):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # else who waits for it goes on waiting
            one.close()

    def _serve(self) -> None:
        while not self._closed:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            if self._few.acquire(blocking=False):
                threading.Thread(target=self._carry, args=(line,), daemon=True, name="gate").start()
            else:
                line.close()

    def _carry(self, line: socket.socket) -> None:
        self._open.add(line)
        try:
            line.settimeout(_SECONDS)
            wanted = _asked(line)
            try:
                out = self.connect(*wanted)
            except OSError as error:
                if wanted in self._own:
                    self.failed = error.strerror or str(error)
                _answer(line, _FORBIDDEN if isinstance(error, Forbidden) else _FAILED)
                return
            with out:
                self._open.add(out)
                _answer(line, _DONE)
                _both_ways(line, out)
                self._open.discard(out)
        except (OSError, ValueError, KeyError):
            pass  # the browser hung up, or is none
        finally:
            self._open.discard(line)
            line.close()
            self._few.release()

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to there. Raises Forbidden, OSError."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            proxy = _proxy_for(host, port)
            if proxy is None:
                raise OSError(f"the address of {host} is not known") from error
            if _is_inner_name(host) and (host, port) not in self._own:
                self.refused.append(f"{host}:{port}")
                raise Forbidden(f"{host}:{port} is a name of an inner network") from error
            return _through(proxy, host, port)  # the proxy may know it
        addresses = [at[4] for at in found]
        private = {str(at[0]) for at in addresses if not is_public(str(at[0]))}
        if private and (host, port) not in self._own:
            mine = self._own_addresses(port)
            addresses = [at for at in addresses if str(at[0]) in mine]
            if not addresses:
                self.refused.append(f"{host}:{port}")
                raise Forbidden(f"{host}:{port} is a private address")
        if not private and (proxy := _proxy_for(host, port)):
            return _through(proxy, host, port)
        return _first_of(addresses)

    def _own_addresses(self, port: int) -> set[str]:
        """Where the platform's names with this port lead now: localhost and 127.0.0.1 are one server, say."""
        known: set[str] = set()
        for host in (host for host, its_port in self._own if its_port == port):
            with suppress(OSError, UnicodeError):
                known.update(str(at[4][0]) for at in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return known


def _first_of(addresses: Iterable[tuple[object, ...]]) -> socket.socket:
    """A connection to the first of these that answers: to these, not to a name that may lead elsewhere by now."""
    wrong: OSError = OSError("it has no address")
    for at in addresses:
        try:
            out = socket.create_connection((str(at[0]), int(str(at[1]))), timeout=_SECONDS)
        except OSError as error:
            wrong = error
        else:
            out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return out
    raise wrong


# -- SOCKS 5, as much of it as a browser speaks ---------------------------------------------------------------------


def _asked(line: socket.socket) -> Place:
    """Where the browser wants to go. Raises OSError, ValueError."""
    version, methods = _read(line, 2)
    if version != 5 or 0 not in _read(line, methods):
        raise ValueError("this is no SOCKS 5 without a password")
    line.sendall(b"\x05\x00")
    version, command, _, kind = _read(line, 4)
    if (version, command) != (5, 1):
        raise ValueError("only connections are made")
    if kind == 3:
        host = _read(line, _read(line, 1)[0]).decode("ascii").strip("[]")
    else:
        host = str(ipaddress.ip_address(_read(line, {1: 4, 4: 16}[kind])))
    return host.lower().rstrip("."), int.from_bytes(_read(line, 2))


def _read(line: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        more = line.recv(count - len(content))
        if not more:
            raise ConnectionResetError
        content += more
    return content


def _answer(line: socket.socket, code: int) -> None:
    line.sendall(bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0]))


def _both_ways(line: socket.socket, out: socket.socket) -> None:
    for one in (line, out):
        one.settimeout(None)  # a page may be quiet for long; both are closed with the browser
    back = threading.Thread(target=_pump, args=(out, line), daemon=True, name="gate")
    back.start()
    _pump(line, out)
    back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    for one, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            one.shutdown(how)


# -- a proxy that the environment names -----------------------------------------------------------------------------


def _proxy_for(host: str, port: int) -> Place | None:
    """The proxy of the environment for this place, None for none."""
    proxies = getproxies()
    url = proxies.get("https" if port == 443 else "http") or proxies.get("all")
    if not url or proxy_bypass(f"{host}:{port}"):
        return None
    with suppress(ValueError):
        return place_of(url if "://" in url else f"http://{url}")
    return None


def _through(proxy: Place, host: str, port: int) -> socket.socket:
    """A connection to there through a proxy. Raises OSError."""
    out = socket.create_connection(proxy, timeout=_SECONDS)
    try:
        _ask_through(out, host, port)
    except BaseException:
        out.close()
        raise
    return out


def _ask_through(out: socket.socket, host: str, port: int) -> None:
    name = f"[{host}]" if ":" in host else host
    out.sendall(f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n".encode("ascii"))
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # letter by letter: what follows is no longer the proxy's
        head += _read(out, 1)
        if len(head) > 10_000:
            raise OSError("the proxy answers without an end")
    if head.split(None, 2)[1:2] != [b"200"]:
        raise OSError(f"the proxy refused {host}:{port}")
