"""Kills a case's process at the worst moment: after the other system did it, before the case wrote it down."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from caseproof.store import locks


def kill_the_process_of(run: Path) -> bool:
    """SIGKILL the process that executes a flow run, which holds this lock; whether there was one."""
    pid = locks.holder(run)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


@dataclass
class Proxy:
    """Stands before a Prefect API, passes everything on, and may kill the caller after a certain effect.

    ``kill_after`` is what the path of the fatal call ends with; ``victim`` the flow run that is killed, once, by the
    lock that its process holds. A fatal call that comes before the victim is named waits for it.
    ``seen`` holds every call as (method, path).
    """

    behind: str
    kill_after: str = ""
    victim: Future[Path] = field(default_factory=Future)
    url: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    killed: threading.Event = field(default_factory=threading.Event)

    def count(self, ending: str) -> int:
        """How many calls had a path with this ending."""
        return sum(path.endswith(ending) for _, path in self.seen)


@contextmanager
def proxy_before(api_url: str) -> Iterator[Proxy]:
    """A proxy on a free loopback port for as long as the block runs."""
    proxy = Proxy(api_url.removesuffix("/api"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            proxy.seen.append((self.command, self.path))
            headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            headers |= {name: self.headers[name] for name in ("Authorization",) if name in self.headers}
            answer = httpx.request(
                self.command, proxy.behind + self.path, content=body, headers=headers, timeout=60, trust_env=False
            )
            fatal = proxy.kill_after and self.path.endswith(proxy.kill_after) and answer.is_success
            if fatal and not proxy.killed.is_set() and kill_the_process_of(proxy.victim.result(60)):
                proxy.killed.set()
                self.close_connection = True
                return  # the effect took place, and nobody is there to hear of it
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PATCH = do_DELETE = _pass_on

        def log_message(self, *_: object) -> None:
            """pytest shows what it needs."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
