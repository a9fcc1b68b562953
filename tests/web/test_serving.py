"""The app as a real process: it answers on its port, and stops when it is told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from caseproof.config.settings import Settings
from caseproof.domain.errors import BadInput
from caseproof.up.processes import free_port
from caseproof.web.serving import CannotListen, serve

PROGRAM = "from caseproof.config.settings import Settings; from caseproof.web import serve; serve(Settings())"
DEADLINE_SECONDS = 240


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    end = time.monotonic() + DEADLINE_SECONDS
    with httpx.Client() as client:
        while time.monotonic() < end:
            assert process.poll() is None, "the web app ended by itself"
            try:
                return dict(client.get(f"{url}/health").json())
            except httpx.TransportError:
                time.sleep(0.05)
    raise AssertionError(f"nothing answered at {url} within {DEADLINE_SECONDS} s")


def test_the_app_serves_at_its_address_until_a_signal_and_then_returns(world: Any, tmp_path: Path) -> None:
    ref = world.closed()
    digest = world.services.ledger.case(ref).photo["evidence"]
    url = f"http://127.0.0.1:{free_port()}"
    env = os.environ | {"CASEPROOF_HOME": str(world.home), "CASEPROOF_WEB_URL": url}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=env, stdout=output, stderr=output)
    try:
        assert wait_until_healthy(url, process)["cases_open"] == 0
        with httpx.Client(base_url=url, timeout=60) as client:  # its connection stays open over the signal
            whole, head = client.get(f"/evidence/{digest}"), client.head(f"/evidence/{digest}")
            assert head.content == b""
            assert head.headers["Content-Length"] == str(len(whole.content))
            assert head.headers["ETag"] == whole.headers["ETag"]
            assert client.head(f"/cases/{ref}").status_code == 200
            assert "Server" not in whole.headers
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
    assert log.read_text() == ""


def test_a_port_that_is_taken_is_an_error_for_people(world: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CannotListen, match="cannot listen on") as refused:
            serve(Settings(home=world.home, web_url=url))
    assert "CASEPROOF_WEB_URL" in refused.value.next_action


def test_an_https_address_to_listen_on_is_refused_with_what_to_do(world: Any) -> None:
    with pytest.raises(BadInput, match="plain HTTP") as refused:
        serve(Settings(home=world.home, web_url="https://127.0.0.1:8321"))
    assert "CASEPROOF_PUBLIC_URL" in refused.value.next_action
