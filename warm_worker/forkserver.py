"""The process that runs are forked from: Prefect and the flows' modules are imported once, here.

It has one thread, so that no lock is held where it forks, and no connection. A worker (``warm_worker.client``) starts
it, and talks to it over the socket that it hands on (SOCK_SEQPACKET, JSON). Each order brings the end of a line of its
own, on which the child and the worker speak. Every child is a process of its own, which becomes ``prefect.engine`` for
one run. Where the socket ends, the children that are at work go on to their end.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import random
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ENGINE = "prefect.engine"
IMPORTS = ("prefect.main", "prefect.flow_engine", "prefect.task_engine", ENGINE)
"""What every run imports."""
LATER_IMPORTS = (
    "anyio._backends._asyncio",
    "prefect._internal.observers",
    "prefect.deployments.steps.core",
    "prefect.runner",
    "prefect.utilities.visualization",
)
"""What runs come to import, by names that may change: what is not there is imported by the runs."""
MORE = "WARM_WORKER_IMPORTS"
"""The variable that names more, with blanks between them: modules that flows import late, and functions without
arguments (``package.module:function``) that make what each run would make for itself. Neither may start a thread."""
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""What keeps libraries for numbers from starting threads when they are imported."""
GO = b"1"
"""The leave to begin."""
LONGEST = 150_000
"""Bytes of a message: the kernel's own buffers hold it."""
FILES_AT_ONCE = 300
SETTINGS_FILES = (".env", "prefect.toml", "pyproject.toml")
"""Where Prefect looks for settings in the folder that it is started in."""
_PATH = list(sys.path)


def settings_of(env: Mapping[str, str]) -> dict[str, str]:
    """Prefect's settings in an environment; with two underscores it names the run, not a setting."""
    return {name: env[name] for name in env if name.startswith("PREFECT_") and not name.startswith("PREFECT__")}


_SETTINGS = settings_of(os.environ)


@dataclass(frozen=True)
class Warm:
    """What a server has ready: modules, flows (entrypoint, and the folder of its file or ""), and what a child runs."""

    flows: Sequence[tuple[str, str]] = ()
    imports: Sequence[str] = IMPORTS
    engine: str = ENGINE


@dataclass(frozen=True)
class Order:
    """A run to be forked: its id, and its process's environment and folder; without ``output`` it prints nothing."""

    run: str
    env: Mapping[str, str]
    cwd: str
    output: bool


class ForkServer:
    """Forks runs for a worker, and tells how they ended."""

    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._selector = selectors.DefaultSelector()
        self._selector.register(worker, selectors.EVENT_READ, self._hear)
        self._children: dict[int, int] = {}
        self._worker_is_gone = False
        self._job: tuple[Order, socket.socket] | None = None

    def serve(self) -> tuple[Order, socket.socket] | None:
        """Serve until the worker is gone and no child is left: then None.

        In a child it returns at once, with what it is to run, and the line on which the worker gives it leave.
        """
        while not (self._worker_is_gone and not self._children):
            for key, _ in self._selector.select():
                key.data()
                if self._job:
                    return self._job
        return None

    def tell(self, **what: Any) -> None:
        """A message to the worker; where that is gone, nobody hears it."""
        with suppress(OSError):
            self._worker.send(json.dumps(what).encode())

    def _hear(self) -> None:
        try:
            received, lines, _, _ = socket.recv_fds(self._worker, LONGEST, 1)
        except OSError:
            received, lines = b"", []
        if received and lines:
            self._fork(Order(**json.loads(received)), socket.socket(fileno=lines[0]))
        elif not received:
            self._selector.unregister(self._worker)
            self._worker_is_gone = True

    def _fork(self, order: Order, line: socket.socket) -> None:
        with line:
            if why := more_than_one_thread():
                line.send(json.dumps({"why": why}).encode())
                return
            try:
                pid = os.fork()
            except OSError as error:
                line.send(json.dumps({"why": f"the machine starts no process: {error.strerror}"}).encode())
                return
            if pid == 0:
                self._selector.close()
                self._worker.close()
                for other in self._children.values():
                    os.close(other)
                self._job = (order, line.dup())
                return
        end = self._children[pid] = os.pidfd_open(pid)
        self._selector.register(end, selectors.EVENT_READ, lambda: self._ended(pid))

    def _ended(self, pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        end = self._children.pop(pid)
        self._selector.unregister(end)
        os.close(end)
        self.tell(says="ended", pid=pid, code=os.waitstatus_to_exitcode(status))


def more_than_one_thread() -> str:
    """Why it is not safe to fork, "" where it is: a lock that another thread holds stays locked in the child."""
    names = [thread.name for thread in threading.enumerate()]
    if len(names) > 1:
        return f"{len(names)} threads are at work: {', '.join(sorted(names))}"
    count = sum(1 for _ in Path("/proc/self/task").iterdir())
    return f"{count} threads are at work, {count - 1} of them no thread of Python's" if count > 1 else ""


# -- before the first fork ------------------------------------------------------------------------------------------


def import_all(warm: Warm) -> dict[str, str]:
    """Import what is to be ready; the flows that cannot be imported, and why."""
    for name in warm.imports:
        importlib.import_module(name)
    broken = {}
    for entrypoint, folder in warm.flows:
        try:
            from prefect.flows import load_flow_from_entrypoint

            if folder:
                os.chdir(folder)
                sys.path[0] = folder
            load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
        except BaseException as error:  # whatever it is, its own run tells it
            if isinstance(error, KeyboardInterrupt):
                raise
            broken[entrypoint] = f"{type(error).__name__}: {error}"
    sys.path[:] = _PATH
    later = LATER_IMPORTS if ENGINE in warm.imports else ()
    for name in (*later, *os.environ.get(MORE, "").split()):
        module, _, function = name.partition(":")
        with suppress(ImportError):
            imported = importlib.import_module(module)
            if function:
                with suppress(Exception):  # what cannot be made ahead is made by the runs, which tell why not
                    getattr(imported, function)()
    _complete_models()
    return broken


def _complete_models() -> None:
    """Have pydantic build what it otherwise builds at a model's first use: each child would, in memory of its own."""
    if pydantic := sys.modules.get("pydantic"):
        waiting = list(pydantic.BaseModel.__subclasses__())
        while waiting:
            model = waiting.pop()
            waiting += model.__subclasses__()
            if not model.__pydantic_complete__:
                with suppress(Exception):  # a model that cannot be completed now is its user's
                    model.model_rebuild(raise_errors=False)


def files_of(warm: Warm) -> dict[str, int]:
    """The source files of what is imported, with when each was changed last (ns)."""
    found = {}
    scripts = [str(Path(folder) / entrypoint.rpartition(":")[0]) for entrypoint, folder in warm.flows if folder]
    for file in [*scripts, *(getattr(module, "__file__", None) for module in list(sys.modules.values()))]:
        if isinstance(file, str):
            try:
                found[file] = Path(file).stat().st_mtime_ns
            except OSError:
                continue
    return found


# -- in a child -----------------------------------------------------------------------------------------------------


def _has_our_settings(order: Order) -> bool:
    """Whether Prefect's settings, as they were read here, are those of the run: to read them anew takes a while."""
    files = any((Path(order.cwd) / name).exists() for name in SETTINGS_FILES)
    return not files and settings_of(order.env) == _SETTINGS


def become(order: Order, line: socket.socket, engine: str) -> NoReturn:
    """Be the process of this run, as if it had been started by itself.

    Nothing of the run is done before the worker, told that we are here, gives leave: a worker that gave us up, or died,
    has hung up, and starts the run in another way.
    """
    for one in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order.env)
    time.tzset()
    os.chdir(order.cwd)
    sys.path[:] = _PATH
    sys.path[0] = order.cwd
    sys.argv = [engine, order.run]
    if not order.output:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if "prefect" in sys.modules and not _has_our_settings(order):
        from prefect.context import refresh_global_settings_context

        # The loggers stay as they are: what modules did to them when they were imported is not done again.
        refresh_global_settings_context()
    gc.enable()
    with line:
        line.send(json.dumps({"pid": os.getpid()}).encode())
        if line.recv(1) != GO:
            os._exit(0)
    _end(_run(engine))


def _run(engine: str) -> int:
    """Run the engine's module as a program: its exit code."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=f".*{engine}.*found in sys.modules", category=RuntimeWarning)
            runpy.run_module(engine, run_name="__main__", alter_sys=True)
    except SystemExit as ends:
        if ends.code is None or isinstance(ends.code, int):
            return ends.code or 0
        sys.stderr.write(f"{ends.code}\n")
        return 1
    except KeyboardInterrupt:  # as Python ends of it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End as a forked process of ``multiprocessing`` does: what is to be done at the end is done, and nothing is taken
    apart. To clear all modules away would write to every page that is shared, and so copy it first.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os._exit(code & 0xFF)


def main() -> None:
    """``python -m warm_worker.forkserver FD WARM``: serve over this file descriptor; WARM is JSON."""
    worker, warm = socket.socket(fileno=int(sys.argv[1])), Warm(**json.loads(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches us, too: the worker decides
    began, here = time.monotonic(), Path.cwd()
    gc.disable()
    broken = import_all(warm)
    os.chdir(here)
    server = ForkServer(worker)
    if why := more_than_one_thread():
        server.tell(says="not ready", why=why)
        return
    # What is shared stays shared: no collection in a child writes to it. Nothing is collected before, either: what is
    # made next would go into the gaps, in pages that each child then has a copy of.
    gc.freeze()
    files = list(files_of(warm).items())
    for start in range(0, len(files), FILES_AT_ONCE):
        server.tell(says="files", files=dict(files[start : start + FILES_AT_ONCE]))
    server.tell(says="ready", broken=broken, seconds=time.monotonic() - began)
    job = server.serve()
    if job:
        become(*job, warm.engine)


if __name__ == "__main__":
    main()
