"""The fork server without Prefect: each run is a process of its own, and none sees anything of another."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from warm_worker import client, stable
from warm_worker.client import Child, ForkClient, NotForked, NotReady
from warm_worker.forkserver import Warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks with pidfd")
PROBE = "tests.worker.probe"
ROOT = str(Path(__file__).parents[2])
WARM = Warm(imports=("json",), engine=PROBE)


class Forks:
    """A server, and runs of it."""

    def __init__(self, server: ForkClient, folder: Path) -> None:
        self.server, self.folder = server, folder

    async def begin(self, code: str, **env: str) -> Child:
        mine = {**os.environ, "PROBE": code, "OUT": str(self.folder / "out"), **env}
        return await self.server.fork("a run", mine, str(self.folder), output=True)

    async def exit_code(self, code: str, **env: str) -> int | None:
        return await (await self.begin(code, **env)).wait()

    async def said(self, what: str, **env: str) -> Any:
        """What an expression is in a fresh run."""
        code = f"import json, os, sys, threading; open(os.environ['OUT'], 'w').write(json.dumps({what}))"
        assert await self.exit_code(code, **env) == 0
        return json.loads((self.folder / "out").read_text())


Try = Callable[[Callable[[Forks], Awaitable[None]]], None]


@pytest.fixture
def forking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Try:
    """Runs an async test with a server of its own, which is gone afterwards."""
    monkeypatch.setenv("PYTHONPATH", ROOT)

    def run(test: Callable[[Forks], Awaitable[None]]) -> None:
        async def all_of_it() -> None:
            server = await ForkClient.start(WARM)
            try:
                await test(Forks(server, tmp_path))
            finally:
                server.retire()
                await asyncio.wait_for(server._process.wait(), 60)

        asyncio.run(all_of_it())

    return run


HARM = {
    "leaks memory": "import json; json.leak = bytearray(50_000_000)",
    "ends itself with SIGKILL": "import os; os.kill(os.getpid(), 9)",
    "forks": "import os; os.fork()",
    "closes file descriptors": "import os; os.closerange(0, 200)",
    "changes its folder": "import os; os.chdir('/')",
    "changes its environment": "import os; os.environ.clear(); os.environ['LEFT'] = '1'",
    "starts threads": "import threading, time; threading.Thread(target=time.sleep, args=(0.2,)).start()",
    "changes what is imported": "import json, sys; json.dumps = None; sys.path.clear(); sys.modules.clear()",
    "sets signals and the umask": "import os, signal; signal.signal(15, signal.SIG_IGN); os.umask(0o777)",
    "raises": "1 / 0",
}


@pytest.mark.parametrize("harm", HARM)
def test_the_next_run_sees_nothing_of_one_that(forking: Try, harm: str) -> None:
    async def test(forks: Forks) -> None:
        seen = "[os.getcwd(), sys.argv[1:], threading.active_count(), hasattr(json, 'leak'), 'LEFT' in os.environ]"
        before = await forks.said(seen)
        assert before == [str(forks.folder), ["a run"], 1, False, False]
        await forks.exit_code(HARM[harm])
        assert await forks.said(seen) == before

    forking(test)


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("pass", 0),
        ("import sys; sys.exit(7)", 7),
        ("raise SystemExit('in words')", 1),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM); signal.pause()", -15),
    ],
)
def test_the_exit_code_is_that_of_a_process_of_its_own(forking: Try, code: str, exit_code: int) -> None:
    async def test(forks: Forks) -> None:
        assert await forks.exit_code(code) == exit_code

    forking(test)


def test_a_run_has_the_environment_and_folder_it_was_given_and_no_other(forking: Try, tmp_path: Path) -> None:
    async def test(forks: Forks) -> None:
        had = await forks.said("dict(os.environ)", ONLY="mine")
        assert had.pop("PROBE")
        assert had == {**os.environ, "OUT": str(tmp_path / "out"), "ONLY": "mine"}
        assert "ONLY" not in await forks.said("list(os.environ)")
        assert await forks.said("os.getcwd()") == str(tmp_path)

    forking(test)


def test_a_child_ends_as_a_process_does_with_its_threads_and_what_it_registered(forking: Try) -> None:
    async def test(forks: Forks) -> None:
        code = (
            "import atexit, os, threading, time; out = os.environ['OUT'];"
            "atexit.register(lambda: open(out, 'a').write('registered'));"
            "threading.Thread(target=lambda: (time.sleep(0.3), open(out, 'a').write('thread, '))).start()"
        )
        assert await forks.exit_code(code) == 0
        assert (forks.folder / "out").read_text() == "thread, registered"

    forking(test)


def test_two_runs_draw_other_random_numbers(forking: Try) -> None:
    async def test(forks: Forks) -> None:
        drawn = "__import__('random').random()"
        assert await forks.said(drawn) != await forks.said(drawn)

    forking(test)


def test_a_signal_reaches_the_run_and_nobody_else(forking: Try) -> None:
    async def test(forks: Forks) -> None:
        one, other = [await forks.begin("import time; time.sleep(60)") for _ in range(2)]
        one.send(signal.SIGTERM)
        assert await asyncio.wait_for(one.wait(), 60) == -15
        other.send(signal.SIGKILL)
        assert await asyncio.wait_for(other.wait(), 60) == -9
        assert forks.server.is_alive

    forking(test)


def test_memory_that_runs_leak_is_given_back_when_they_end(forking: Try) -> None:
    async def test(forks: Forks) -> None:
        def used(pid: int) -> int:
            return int(psutil.Process(pid).memory_full_info().uss)

        await forks.exit_code("pass")
        before = used(forks.server.pid)
        leak = "import json, os, time; json.leak = b'x' * 100_000_000; open(os.environ['OUT'], 'w'); time.sleep(60)"
        children = [await forks.begin(leak, OUT=str(forks.folder / f"has {number}")) for number in range(3)]
        until = time.monotonic() + 60
        while len(list(forks.folder.glob("has *"))) < 3 and time.monotonic() < until:
            await asyncio.sleep(0.05)
        assert min(used(child.pid) for child in children) > 100_000_000
        for child in children:
            child.send(signal.SIGTERM)
            await asyncio.wait_for(child.wait(), 60)
        assert not any(psutil.pid_exists(child.pid) for child in children)
        assert used(forks.server.pid) - before < 2_000_000

    forking(test)


# -- the server goes wrong ------------------------------------------------------------------------------------------


def test_a_server_that_is_killed_in_the_middle_of_ten_runs_loses_none_and_none_runs_twice(forking: Try) -> None:
    async def test(forks: Forks) -> None:
        code = (
            "import os, time\nends = time.monotonic() + 120\n"
            "while not os.path.exists(os.environ['OUT'] + '.go') and time.monotonic() < ends: time.sleep(0.05)\n"
            "open(os.environ['OUT'], 'a').write(f'{os.getpid()}\\n')"
        )
        children = [await forks.begin(code) for _ in range(10)]
        os.kill(forks.server.pid, signal.SIGKILL)
        (forks.folder / "out.go").touch()  # no run is over before: a slow machine takes a while for ten
        assert await asyncio.gather(*(child.wait() for child in children)) == [None] * 10, "their end is seen, no code"
        ran = (forks.folder / "out").read_text().split()
        assert sorted(map(int, ran)) == sorted(child.pid for child in children)
        with pytest.raises(NotForked, match="is gone"):
            await forks.begin("pass")

    forking(test)


def test_a_server_that_hangs_is_ended_and_its_order_is_never_carried_out_later(
    forking: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LIFE_SECONDS", 0.5)

    async def test(forks: Forks) -> None:
        os.kill(forks.server.pid, signal.SIGSTOP)
        with pytest.raises(NotForked, match="does not answer"):
            await forks.begin("open(__import__('os').environ['OUT'], 'w')")
        await asyncio.wait_for(forks.server._process.wait(), 60)
        await asyncio.sleep(0.5)
        assert not (forks.folder / "out").exists()

    forking(test)


def test_a_child_whose_worker_gave_it_up_does_nothing(forking: Try) -> None:
    async def test(forks: Forks) -> None:
        os.kill(forks.server.pid, signal.SIGSTOP)
        wanted = asyncio.create_task(forks.begin("open(__import__('os').environ['OUT'], 'w')"))
        await asyncio.sleep(0.1)  # the order waits for the server
        wanted.cancel()
        await asyncio.wait([wanted])
        os.kill(forks.server.pid, signal.SIGCONT)
        await asyncio.sleep(0.5)
        assert not (forks.folder / "out").exists()
        assert await forks.said("1") == 1, "the server goes on"

    forking(test)


FULL = """
import os, resource
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
if os.geteuid() == 0:  # no limit of processes holds for root
    os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
"""


def test_a_full_process_table_is_said_and_nothing_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full.py").write_text(FULL)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")

    async def test() -> None:
        server = await ForkClient.start(Warm(imports=("json", "full"), engine=PROBE))
        try:
            for _ in range(2):
                with pytest.raises(NotForked, match="the machine starts no process: Resource temporarily unavailable"):
                    await Forks(server, tmp_path).begin("open(__import__('os').environ['OUT'], 'w')")
            assert server.is_alive
            assert not (tmp_path / "out").exists()
        finally:
            server.kill()
            await server._process.wait()

    asyncio.run(test())


def test_where_not_even_the_server_can_be_started_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: Any, **_more: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess.Popen, "__init__", full)
    with pytest.raises(NotReady, match="the machine starts no process: Resource temporarily unavailable"):
        asyncio.run(ForkClient.start(WARM))


def test_new_code_that_a_full_machine_kept_out_is_taken_by_a_later_run(
    forking: Try, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stable, "LOOK_SECONDS", 0.0)
    start = ForkClient.start

    async def no_flows() -> stable.Flows:
        return []

    async def full(_warm: Warm, **_more: Any) -> ForkClient:
        raise NotReady("the machine starts no process") from BlockingIOError()

    async def test(forks: Forks) -> None:
        async def run() -> ForkClient | None:
            child = await ours.fork("a run", {**os.environ, "PROBE": "pass"}, str(tmp_path), output=True)
            assert await child.wait() == 0
            return ours._server

        ours = stable.Stable(no_flows, lambda: os.environ, logging.getLogger("stable"))
        ours._server = forks.server
        forks.server.files = {str(tmp_path / "changed.py"): 1}
        monkeypatch.setattr(ForkClient, "start", full)
        assert await run() is forks.server
        monkeypatch.setattr(ForkClient, "start", lambda _warm, **_more: start(WARM))
        fresh = await run()
        assert fresh is not None
        assert fresh is not forks.server
        fresh.retire()
        await asyncio.wait_for(fresh._process.wait(), 60)

    forking(test)


def test_a_server_that_has_threads_refuses_to_fork_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "threads_at_import.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), name='mine', daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    with pytest.raises(NotReady, match="2 threads are at work: MainThread, mine"):
        asyncio.run(ForkClient.start(Warm(imports=("threads_at_import",), engine=PROBE)))


def test_a_server_that_dies_while_it_imports_says_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dies.py").write_text("import os\nos._exit(3)\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    with pytest.raises(NotReady, match="its output says why"):
        asyncio.run(ForkClient.start(Warm(imports=("dies",), engine=PROBE)))


def test_a_server_ends_when_its_worker_died_and_its_last_run_is_over(forking: Try) -> None:
    async def test(forks: Forks) -> None:
        code = "import os, time\nwhile not os.path.exists(os.environ['OUT'] + '.go'): time.sleep(0.05)"
        child = await forks.begin(code)
        forks.server.retire()
        await asyncio.sleep(0.2)
        os.kill(forks.server.pid, 0)
        (forks.folder / "out.go").touch()
        assert await child.wait() in (0, None)
        until = time.monotonic() + 60
        while forks.server._process.returncode is None and time.monotonic() < until:
            await asyncio.sleep(0.05)
        assert forks.server._process.returncode == 0

    forking(test)


def test_what_flows_import_late_or_make_is_there_before_and_models_are_complete_and_what_cannot_be_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = "made = []\ndef make(): made.append(1)\ndef fail(): raise OSError('not now')\n"
    (tmp_path / "ready.py").write_text(functions)
    model = "from __future__ import annotations\nimport pydantic\nclass Late(pydantic.BaseModel, defer_build=True):\n"
    (tmp_path / "late.py").write_text(f"{model}    other: list[Other] = []\nclass Other(pydantic.BaseModel): pass\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    named = "not_installed:make ready:fail ready:nothing late ready:make"
    monkeypatch.setenv("WARM_WORKER_IMPORTS", named)

    async def test() -> None:
        server = await ForkClient.start(WARM)
        try:
            forks = Forks(server, tmp_path)
            seen = "'late' in sys.modules and sys.modules['late'].Late.__pydantic_complete__"
            assert await forks.said(seen, PYTHONPATH=os.environ["PYTHONPATH"]) is True
            assert await forks.said("sys.modules['ready'].made", PYTHONPATH=os.environ["PYTHONPATH"]) == [1]
        finally:
            server.retire()
            await asyncio.wait_for(server._process.wait(), 60)

    asyncio.run(test())
