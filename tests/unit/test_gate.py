"""The way out of the picture's browser: which addresses it opens, and which it does not, whatever they are called."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from caseproof.evidence import gate as module
from caseproof.evidence.gate import Forbidden, Gate, is_public, place_of

PRIVATE = [
    "127.0.0.1", "127.8.9.1", "10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
    "239.255.255.250", "255.255.255.255", "198.18.0.1", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "ff02::1",
    "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "fec0::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "0.0.0.0",  # noqa: S104
]  # fmt: skip
PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server of this machine that says hello."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    line.sendall(b"hello")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_a_network_of_ours_is_not_public_in_any_spelling(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "::1"])
def test_a_private_address_is_refused_under_each_of_its_names(host: str, server: int) -> None:
    with Gate(["https://jobs.example.com"]) as gate:
        with pytest.raises(Forbidden):
            gate.connect(host, server)
        assert gate.refused == [f"{host}:{server}"]


def test_the_platform_s_own_private_address_is_open_under_its_names_and_at_its_port_alone(server: int) -> None:
    with Gate([f"http://LOCALHOST.:{server}/ui"]) as gate:
        for host in ("localhost", "127.0.0.1", "2130706433"):
            with gate.connect(host, server) as line:
                assert line.recv(5) == b"hello"
        with pytest.raises(Forbidden):
            gate.connect("localhost", server + 1)


def test_a_name_whose_address_changes_is_connected_to_where_it_was_looked_at(
    server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer would be this machine: it is never asked for."""
    answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", server))]]
    reached = []
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_, **__: answers.pop(0))
    monkeypatch.setattr(module, "is_public", lambda address: address == "192.0.2.1")  # reserved, and so never real
    monkeypatch.setattr(module, "_first_of", lambda addresses: reached.extend(addresses))
    monkeypatch.setattr(module, "_proxy_for", lambda *_: None)
    with Gate([f"http://127.0.0.1:{server}"]) as gate:
        gate.connect("rebinds.example.com", server)
    assert (reached, answers) == ([("192.0.2.1", server)], [])


def test_of_a_name_s_addresses_only_the_platform_s_own_is_reached(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As localhost is ::1 too, on many machines."""
    known = {"127.0.0.1": ["127.0.0.1"], "localhost": ["::1", "127.0.0.1"], "sly": ["10.0.0.1", "127.0.0.1"]}
    reached: list[str] = []
    monkeypatch.setattr(
        module.socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", (one, port)) for one in known[host]]
    )
    monkeypatch.setattr(module, "_first_of", lambda addresses: reached.extend(at[0] for at in addresses))
    with Gate([f"http://127.0.0.1:{server}"]) as gate:
        gate.connect("localhost", server)
        gate.connect("sly", server)
    assert reached == ["127.0.0.1", "127.0.0.1"]


def test_a_name_with_a_public_and_a_private_address_is_refused(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, server)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_, **__: both)
    with Gate(["https://jobs.example.com"]) as gate, pytest.raises(Forbidden):
        gate.connect("both.example.com", server)


def asked(gate: Gate, words: bytes) -> bytes:
    host, port = gate.address.removeprefix("socks5://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(words)
        with suppress(OSError):  # the gate may have hung up already
            line.shutdown(socket.SHUT_WR)
        said = b""
        with suppress(ConnectionResetError):
            while more := line.recv(100):
                said += more
        return said


def test_the_gate_speaks_socks_and_hangs_up_on_whatever_else_is_said_to_it(server: int) -> None:
    hello, port = b"\x05\x01\x00", server.to_bytes(2)
    with Gate([f"http://127.0.0.1:{server}"]) as gate:
        open_ = asked(gate, hello + b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port)
        assert open_.startswith(b"\x05\x00\x05\x00")
        assert open_.endswith(b"hello")
        refused = asked(gate, hello + b"\x05\x01\x00\x03\x09localhost" + (server - 1).to_bytes(2))
        assert refused.startswith(b"\x05\x00\x05\x02")
        odd = (
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x05\x00",
            hello + b"\x05\x02\x00\x01" + bytes(6),
            hello + b"\x05\x01\x00\x09",
        )
        for words in odd:
            assert asked(gate, words) in (b"", b"\x05\x00")


@pytest.mark.parametrize(
    "host", ["vault", "vault.intranet", "metadata.google.internal", "printer.local", "a.home.arpa"]
)
def test_a_name_of_an_inner_network_is_not_asked_of_a_proxy_where_nobody_here_knows_its_address(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(module, "_through", lambda _, host, port: asked.append(f"{host}:{port}"))

    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror("unknown")

    with Gate(["http://prefect.internal:4200"]) as gate:
        monkeypatch.setattr(module.socket, "getaddrinfo", unknown)
        with pytest.raises(Forbidden):
            gate.connect(host, 8200)
        with pytest.raises(Forbidden):
            gate.connect("prefect.internal", 8200)
        gate.connect("prefect.internal", 4200)
        gate.connect("cdn.example.com", 80)
    assert asked == ["prefect.internal:4200", "cdn.example.com:80"]


def test_a_place_is_known_by_host_and_port() -> None:
    assert place_of("https://Jobs.Example.com/ui") == ("jobs.example.com", 443)
    assert place_of("http://[::1]:4200") == ("::1", 4200)
