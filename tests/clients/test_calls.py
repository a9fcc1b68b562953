"""How often Prefect's server is asked: counted by a relay before a real one (``benchmarks/relay.py``)."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.relay import MESSAGE, _count, kind_of, relay_before
from sandbox.processes import PrefectServer
from sandbox.world import ROOT

PASS = "from flows.retailer_inbox import retailer_inbox; print(retailer_inbox(return_state=True).message)"
AT_MOST = 10
"""A run that has nothing to do: its flow and itself are made, named, read, begun and ended; its log and its events."""


@pytest.mark.full
def test_a_run_with_nothing_to_do_asks_for_no_token_no_version_and_no_place_for_results(
    prefect_server: PrefectServer, tmp_path: Path
) -> None:
    with relay_before(prefect_server.api_url) as relay:
        env = prefect_server.env() | {"PREFECT_API_URL": relay.api_url, "CASEPROOF_HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", PASS], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=True
        )
        assert "no mail was read" in done.stdout
        asked = Counter({kind: number for kind, number in relay.counts.items() if not kind.endswith(MESSAGE)})

    assert not {"GET csrf-token", "GET admin/version", "GET admin/storage"} & asked.keys()
    assert asked.total() <= AT_MOST, asked


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_relay_counts_requests_and_messages_in_pieces_of_any_size(size: int) -> None:
    body = b'{"name": "x"}'
    head = b"POST /api/flow_runs/11111111-1111-4111-8111-111111111111/set_state HTTP/1.1\r\nContent-Length: 13\r\n\r\n"
    opening = b"GET /api/events/in HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    long = b"\x81\xfe\x01\x00mask" + bytes(256)
    ping, short, longest = (
        b"\x89\x80mask",
        b"\xc1\x83mask" + b"abc",
        b"\x82\xff" + (300).to_bytes(8) + b"mask" + bytes(300),
    )
    sent = head + body + b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n" + opening + short + ping + long + longest
    counts: Counter[str] = Counter()
    counting = _count(counts)
    next(counting)

    for start in range(0, len(sent), size):
        counting.send(sent[start : start + size])

    assert +counts == {
        "POST flow_runs/{id}/set_state": 1,
        "GET health": 1,
        "WS events/in": 1,
        f"WS events/in {MESSAGE}": 3,
    }


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/api/work_pools/caseproof/get_scheduled_flow_runs", "work_pools/{pool}/get_scheduled_flow_runs"),
        ("/api/deployments/name/sync/shop", "deployments/name/{name}"),
        ("/api/flow_runs/11111111-1111-4111-8111-111111111111/input/question-1", "flow_runs/{id}/input/{key}"),
        ("/api/csrf-token?client=1", "csrf-token"),
    ],
)
def test_a_kind_says_what_is_asked_and_not_about_whom(target: str, kind: str) -> None:
    assert kind_of("GET", target) == f"GET {kind}"
