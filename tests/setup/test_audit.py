"""`make audit`, with a database of our own: what it knows is told, and what was not looked up is no success."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from caseproof.up.processes import free_port

pytestmark = pytest.mark.full  # each fetches the auditor
SCRIPT = Path(__file__).parents[2] / "scripts" / "audit"
WEAK = {
    "id": "PYSEC-2026-1", "summary": "s", "details": "d",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
        }
    ],
}  # fmt: skip


@contextmanager
def a_database(weak: str = "") -> Iterator[str]:
    """Where a database answers that knows one weak package."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"vulns": [WEAK]} if asked["package"]["name"] == weak else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def audit(database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "AUDIT_DATABASE": database, "NO_PROXY": "127.0.0.1"}
    return subprocess.run([str(SCRIPT), *arguments], env=env, capture_output=True, text=True, check=False, timeout=200)


def test_a_known_weakness_of_a_locked_package_is_named_with_what_mends_it() -> None:
    with a_database(weak="jinja2") as database:
        done = audit(database)
        assert done.returncode == 1, done
        assert "jinja2 3" in done.stdout
        assert "PYSEC-2026-1, mended in 99" in done.stdout
        assert "Next: make lock" in done.stderr
        assert audit(database, "--ignore-vuln", "PYSEC-2026-1").returncode == 0


def test_where_no_database_answers_nothing_passes() -> None:
    done = audit(f"http://127.0.0.1:{free_port()}/v1/query")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2].startswith("Nothing was audited: no advisory database answered")
    assert "AUDIT_DATABASE" in done.stderr.splitlines()[-1]
