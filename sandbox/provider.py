"""What the simulators of providers (Twilio, Teams) have in common: going wrong, and answering in a thread or a process.

``GET /simulator`` tells what happened; ``POST /simulator/behaviour`` makes it behave badly (a list of ``Bad``).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal, TypeVar, get_args

from sandbox.farm_http import Asked, Connection, Reply

Kind = Literal[
    "too many",  # 429 with Retry-After of `value` seconds, and nothing done
    "broken",  # 500, and nothing done
    "hang",  # nothing done, and no answer for `value` seconds
    "drop",  # the effect takes place, and the connection breaks
    "hang after",  # the effect takes place, and no answer for `value` seconds
    "nothing",  # answered as if it were done, and nothing happens
    "nonsense",  # a page that is no answer of a provider
    "slow",  # `value` seconds later
    "gone",  # 404 in the provider's own words, and nothing done
    # Of telephones alone:
    "twice",  # each call-back comes twice
    "out of order",  # what tells of the ringing comes after the end
    "deaf",  # calls are taken, and no call-back ever comes
    # Of the job service alone:
    "endless",  # lists go on for ever
    "circle",  # a list gives a cursor again
    "lag",  # what was changed shows `value` seconds later
]
_NO_ANSWERS: tuple[Kind, ...] = ("twice", "out of order", "deaf", "endless", "circle", "lag")


@dataclass
class Bad:
    """How a provider goes wrong: where ``path`` is part of what is called, and so many ``times`` (None: always)."""

    kind: Kind
    path: str = ""
    times: int | None = None
    value: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"A provider knows {', '.join(get_args(Kind))}, not {self.kind!r}.")


class Simulator:
    """A provider; each kind says what it answers (``served``), what it pretends (``pretended``), and what happened."""

    def __init__(self) -> None:
        self.bad: list[Bad] = []
        self.asked: list[Asked] = []

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/simulator":
            return Reply(self.told())
        if asked.path == "/simulator/behaviour":
            try:
                self.bad = [Bad(**one) for one in asked.body]
            except (TypeError, ValueError) as error:
                return Reply({"detail": str(error)}, 422)
            return Reply([asdict(one) for one in self.bad])
        self.asked.append(asked)
        bad = self.goes_wrong(asked, _NO_ANSWERS)
        return self._badly(bad, asked) if bad else self.served(asked)

    def served(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def pretended(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def told(self) -> Any:
        raise NotImplementedError

    async def end(self) -> None:
        """Close what is open."""

    def goes_wrong(self, asked: Asked, not_by: Sequence[str]) -> Bad | None:
        where = f"{asked.method} {asked.path}"
        bad = next((b for b in self.bad if b.kind not in not_by and b.path in where and b.times != 0), None)
        if bad and bad.times is not None:
            bad.times -= 1
        return bad

    def behaves(self, kind: Kind) -> bool:
        """Whether it goes wrong in this way, which is no answer's."""
        return any(one.kind == kind for one in self.bad)

    def _badly(self, bad: Bad, asked: Asked) -> Reply:
        match bad.kind:
            case "too many":
                body = {"code": 20429, "message": "Too many requests", "status": 429}
                return Reply(body, 429, {"Retry-After": f"{bad.value:g}"})
            case "broken":
                return Reply({"code": 20500, "message": "Internal server error", "status": 500}, 500)
            case "hang":
                return Reply(after=bad.value)
            case "nothing":
                return self.pretended(asked)
            case "nonsense":
                return Reply("<html>Please log in.</html>", headers={"Content-Type": "text/html"})
        reply = self.served(asked)
        reply.drop = bad.kind == "drop"
        if bad.kind in ("slow", "hang after"):
            reply.after = bad.value
        return reply


class PeoplesSimulator(Simulator):
    """A desk at which people work: what they do are its methods, and ``POST /simulator/people`` for those outside."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            if asked.path == "/simulator/people":
                return Reply(getattr(self, str(asked.body.pop("does")))(**asked.body))
            reply = self.answered(asked)
        reply.headers = {"Date": format_datetime(datetime.now(UTC), usegmt=True), **reply.headers}
        return reply

    def answered(self, asked: Asked) -> Reply:
        """What it answers to what is asked of its API."""
        return super().answer(asked)


S = TypeVar("S", bound=Simulator)


@contextmanager
def running(simulator: S, *, latency: float = 0.0) -> Iterator[tuple[S, str]]:
    """Let it answer on a free port of the loopback interface, in a thread: the simulator, and its address."""
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(_listen(simulator, 0, latency))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield simulator, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(simulator, listening), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def main(make: Callable[[argparse.Namespace], Simulator], parser: argparse.ArgumentParser) -> int:
    """Serve on the loopback interface until SIGTERM or Ctrl-C."""
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="how late each answer comes")
    told = parser.parse_args()
    asyncio.run(_serve(make(told), told.port, told.latency_ms / 1000))
    return 0


async def _serve(simulator: Simulator, port: int, latency: float) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    listening = await _listen(simulator, port, latency)
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, ended.set)
    sys.stdout.write(f"{type(simulator).__name__} answers at http://127.0.0.1:{port}.\n")
    sys.stdout.flush()
    await ended.wait()
    await _end(simulator, listening)


async def _listen(simulator: Simulator, port: int, latency: float) -> asyncio.Server:
    made = lambda: Connection(simulator.answer, latency)  # noqa: E731 - asyncio wants one without arguments
    return await asyncio.get_running_loop().create_server(made, "127.0.0.1", port, backlog=1024)


async def _end(simulator: Simulator, listening: asyncio.Server) -> None:
    """Stop listening, let what is about to end do so, and end the rest."""
    listening.close()
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    if others:
        await asyncio.wait(others, timeout=0.3)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await simulator.end()
