"""The worker's end of a fork server: it is started, asked to fork, and its children are waited for.

A child that was forked is never lost sight of: where the server dies, its end is still seen, only its exit code is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from warm_worker.forkserver import GO, LONGEST, ONE_THREAD, Warm

READY_SECONDS = 120.0
"""How long imports may take."""
LIFE_SECONDS = 30.0
"""How long a child may take to its first sign of life, before it has done anything of its run."""


class NotForked(Exception):
    """The run was not forked, and nothing of it was done: it can be started in another way. The text says why."""


class NotReady(Exception):
    """The server does not come up. The text says why."""


@dataclass
class Child:
    """A process of a run. ``exit_code`` is negative where a signal ended it; None where nobody could read it."""

    pid: int
    fd: int
    exit_code: int | None = None
    has_gone: bool = False
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> int | None:
        """Until it ended; its exit code."""
        await self._over.wait()
        return self.exit_code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing where it ended already."""
        if not self._over.is_set():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.fd, number)

    def has_ended(self, code: int | None) -> None:
        """Its end is known: wake whoever waits."""
        if not self._over.is_set():
            asyncio.get_running_loop().remove_reader(self.fd)
            os.close(self.fd)
            self.exit_code = code
            self._over.set()


class ForkClient:
    """A fork server and what it forked. Made by ``start``; ``retire`` lets it end with its last child."""

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self._process, self._line = process, line
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._children: dict[int, Child] = {}
        self.is_alive, self._is_killed = True, False
        self.files: dict[str, int] = {}
        self.broken: dict[str, str] = {}
        self.seconds = 0.0
        line.setblocking(False)
        asyncio.get_running_loop().add_reader(line, self._hear)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    @classmethod
    async def start(
        cls, warm: Warm, ready_seconds: float = READY_SECONDS, *, env: Mapping[str, str] = os.environ
    ) -> ForkClient:
        """Start a server that has this ready, in this environment. Raises NotReady."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {**dict.fromkeys(ONE_THREAD, "1"), **env}
        command = [sys.executable, "-m", "warm_worker.forkserver", str(theirs.fileno()), json.dumps(asdict(warm))]
        with theirs:
            try:
                # A session of its own, as the process worker gives its runs: what is done to the worker's own group
                # where that died is not done to runs that go on.
                process = await asyncio.create_subprocess_exec(
                    *command, pass_fds=[theirs.fileno()], env=env, start_new_session=True
                )
            except OSError as error:
                ours.close()
                raise NotReady(f"the machine starts no process: {error.strerror}") from error
        server = cls(process, ours)
        try:
            async with asyncio.timeout(ready_seconds):
                await server._ready
        except TimeoutError:
            server.kill()
            raise NotReady(f"it has not imported everything after {ready_seconds:g} seconds") from None
        except BaseException:
            server.kill()
            raise
        return server

    async def fork(self, run: str, env: Mapping[str, str], cwd: str, *, output: bool) -> Child:
        """Fork a run, and give it leave once it lives. Raises NotForked: then nothing of it was or will be done."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with ours:
            try:
                async with asyncio.timeout(LIFE_SECONDS):
                    with theirs:
                        order = json.dumps({"run": run, "env": dict(env), "cwd": cwd, "output": output}).encode()
                        self._order(order, theirs)
                    told = json.loads(await asyncio.get_running_loop().sock_recv(ours, LONGEST) or b"{}")
                    if "pid" not in told:
                        raise NotForked(told.get("why") or "its process ended before it began")
                    child = self._watch(told["pid"])
                    ours.send(GO)
                    return child
            except TimeoutError:
                self.kill()  # one that hangs would hang for all
                raise NotForked("the fork server does not answer, and was ended") from None
            except OSError as error:
                raise NotForked(f"the fork server is gone ({error.strerror})") from error

    def _order(self, order: bytes, line: socket.socket) -> None:
        if len(order) > LONGEST:
            raise NotForked(f"its environment is too long: {len(order)} bytes")
        socket.send_fds(self._line, [order], [line.fileno()])

    def retire(self) -> None:
        """It gets no more orders, and ends when its last child has."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End the server; its children go on."""
        if not self._is_killed:  # a second kill would take the exit code away from who waits for it
            self._is_killed = True
            with suppress(ProcessLookupError):
                self._process.kill()

    # -- what it tells ------------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        try:
            received = self._line.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._is_gone()
            return
        told = json.loads(received)
        if told["says"] == "files":
            self.files |= told["files"]
        elif told["says"] == "ended":
            self._ended(told["pid"], told["code"])
        elif not self._ready.done():
            if told["says"] == "ready":
                self.broken, self.seconds = told["broken"], told["seconds"]
                self._ready.set_result(None)
            else:
                self._ready.set_exception(NotReady(told["why"]))

    def _ended(self, pid: int, code: int) -> None:
        if child := self._children.pop(pid, None):  # else one that never began
            child.has_ended(code)

    def _is_gone(self) -> None:
        self.is_alive = False
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()
        if not self._ready.done():
            self._ready.set_exception(NotReady("it ended while it imported; its output says why"))
        for pid, child in list(self._children.items()):
            if child.has_gone:  # its parent died before it could say how it ended
                del self._children[pid]
                child.has_ended(None)

    def _watch(self, pid: int) -> Child:
        try:
            child = self._children[pid] = Child(pid, os.pidfd_open(pid))
        except ProcessLookupError:
            raise NotForked("its process ended before it began") from None

        def gone() -> None:
            asyncio.get_running_loop().remove_reader(child.fd)
            child.has_gone = True
            if not self.is_alive:
                self._children.pop(pid, None)
                child.has_ended(None)

        asyncio.get_running_loop().add_reader(child.fd, gone)
        return child
