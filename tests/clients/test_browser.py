"""Finding and installing the browser: the order of decisions, on a made-up machine that remembers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Error
from playwright.sync_api import TimeoutError as TooSlow

from caseproof.evidence.browser import (
    ARGUMENTS,
    Machine,
    NoBrowser,
    find_browser,
    install_browser,
    main,
    require_browser,
    sandbox_of,
    started,
)
from caseproof.evidence.screenshot import _ARGUMENTS

OWN = Path("/home/somebody/.cache/browsers/chrome")


class MadeUpMachine(Machine):
    """A computer with programs on it; installing a package or downloading puts a program there, or fails."""

    def __init__(
        self,
        *programs: str,
        root: bool = False,
        packages: bool = True,
        internet: bool = True,
        stale: bool = False,
    ) -> None:
        self.programs = set(programs)
        self.files: set[Path] = set()
        self.root = root
        self.packages = packages
        self.internet = internet
        self.stale_lists = stale
        self.commands: list[str] = []

    def on_path(self, name: str) -> Path | None:
        return Path("/usr/bin") / name if name in self.programs else None

    def runnable(self, program: Path) -> bool:
        return program in self.files or (program.parent == Path("/usr/bin") and program.name in self.programs)

    def downloaded(self) -> Path | None:
        return OWN

    def is_root(self) -> bool:
        return self.root

    def run(self, command: Sequence[str]) -> bool:
        self.commands.append(" ".join(command[:2]) if command[0] == "apt-get" else " ".join(command[1:]))
        if command[:2] == ("apt-get", "update"):
            self.stale_lists = False
            return self.packages
        if command[0] == "apt-get":
            if not self.packages or self.stale_lists:
                return False
            self.programs.add("chromium")
        elif self.internet:
            self.files.add(OWN)
        return self.internet if command[0] != "apt-get" else True


@pytest.fixture(autouse=True)
def no_browser_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASEPROOF_BROWSER", raising=False)


def test_the_configured_browser_comes_first() -> None:
    machine = MadeUpMachine("chromium", "my-chrome")
    assert find_browser(Path("/usr/bin/my-chrome"), machine) == Path("/usr/bin/my-chrome")


def test_no_other_browser_is_taken_in_the_place_of_a_configured_one_that_is_missing() -> None:
    machine = MadeUpMachine("chromium", root=True)
    missing = Path("/opt/chrome")
    assert find_browser(missing, machine) is None
    for ask in (require_browser, install_browser):
        with pytest.raises(NoBrowser, match=r"/opt/chrome is not a program.*CASEPROOF_BROWSER"):
            ask(missing, machine)
    assert machine.commands == []


def test_chromium_on_the_path_is_preferred_to_chrome() -> None:
    assert find_browser(None, MadeUpMachine("google-chrome", "chromium")) == Path("/usr/bin/chromium")
    assert find_browser(None, MadeUpMachine("google-chrome")) == Path("/usr/bin/google-chrome")


def test_a_browser_that_playwright_downloaded_is_found_last() -> None:
    machine = MadeUpMachine()
    assert find_browser(None, machine) is None
    machine.files.add(OWN)
    assert find_browser(None, machine) == OWN
    machine.programs.add("chrome")
    assert find_browser(None, machine) == Path("/usr/bin/chrome")


def test_without_a_browser_the_error_says_how_to_install_one() -> None:
    with pytest.raises(NoBrowser, match=r"Next: .*caseproof\.evidence\.browser --install"):
        require_browser(None, MadeUpMachine())


def test_nothing_is_installed_where_there_is_a_browser() -> None:
    machine = MadeUpMachine("chromium", "apt-get", root=True)
    assert install_browser(None, machine) == Path("/usr/bin/chromium")
    assert machine.commands == []


def test_root_on_debian_installs_the_package_after_an_update() -> None:
    machine = MadeUpMachine("apt-get", root=True, stale=True)
    assert install_browser(None, machine) == Path("/usr/bin/chromium")
    assert machine.commands == ["apt-get update", "apt-get install"]


@pytest.mark.parametrize(
    "machine",
    [MadeUpMachine("apt-get", root=False), MadeUpMachine(root=True)],
    ids=["not root", "no apt-get"],
)
def test_who_cannot_install_packages_downloads(machine: MadeUpMachine) -> None:
    assert install_browser(None, machine) == OWN
    assert machine.commands == ["-m playwright install chromium"]


def test_a_package_that_cannot_be_installed_leads_to_the_download_and_says_so() -> None:
    machine = MadeUpMachine("apt-get", root=True, packages=False)
    said: list[str] = []
    assert install_browser(None, machine, said.append) == OWN
    assert machine.commands == ["apt-get update", "apt-get install", "-m playwright install chromium"]
    assert any("could not be installed" in line for line in said)


def test_where_nothing_works_the_error_says_what_to_do_by_hand() -> None:
    machine = MadeUpMachine("apt-get", root=True, packages=False, internet=False)
    with pytest.raises(NoBrowser, match="by hand"):
        install_browser(None, machine)


def test_the_program_prints_the_path_or_the_next_action(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], MadeUpMachine("chromium")) == 0
    assert capsys.readouterr().out == "/usr/bin/chromium\n"
    assert main([], MadeUpMachine()) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "--install" in told.err
    assert main(["--install"], MadeUpMachine()) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(OWN)


def test_the_program_heeds_the_setting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEPROOF_BROWSER", "/opt/chrome")
    assert main(["--install"], MadeUpMachine("chromium")) == 1
    assert "/opt/chrome" in capsys.readouterr().err


# Its sandbox.


class Start:
    """How a browser starts, which perhaps has no sandbox, or is broken; it remembers how it was asked."""

    def __init__(self, *, with_it: Exception | None = None, without: Exception | None = None) -> None:
        self.fails = {True: with_it, False: without}
        self.asked: list[bool] = []

    def __call__(self, sandbox: bool) -> str:
        self.asked.append(sandbox)
        if (error := self.fails[sandbox]) is not None:
            raise error
        return f"it runs {sandbox}"


def test_the_browser_keeps_its_sandbox_where_it_starts_with_it() -> None:
    machine, start = MadeUpMachine(root=False), Start()
    assert (started(Path("/with"), start, machine), start.asked) == ("it runs True", [True])
    assert sandbox_of(Path("/with"), machine) == "with its sandbox"


def test_where_the_machine_allows_no_sandbox_the_browser_starts_without_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine, start = MadeUpMachine(root=False), Start(with_it=Error("No usable sandbox!"))
    for _ in range(2):
        assert started(Path("/without"), start, machine) == "it runs False"
    assert start.asked == [True, False, False]  # it is tried once
    assert "without its sandbox, because this machine" in sandbox_of(Path("/without"), machine)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "starts without its sandbox" in caplog.text


def test_for_root_the_browser_has_no_sandbox_and_that_is_said() -> None:
    machine, start = MadeUpMachine(root=True), Start()
    assert (started(Path("/as-root"), start, machine), start.asked) == ("it runs False", [False])
    assert "run Caseproof as another user" in sandbox_of(Path("/as-root"), machine)


def test_a_browser_that_hangs_or_is_broken_is_not_taken_for_one_without_a_sandbox() -> None:
    machine = MadeUpMachine(root=False)
    hangs = Start(with_it=TooSlow("30 s"))
    with pytest.raises(TooSlow):
        started(Path("/hangs"), hangs, machine)
    assert hangs.asked == [True]
    broken = Start(with_it=Error("exit 3"), without=Error("exit 3"))
    with pytest.raises(Error, match="exit 3"):
        started(Path("/broken"), broken, machine)
    for browser in (Path("/hangs"), Path("/broken")):
        assert sandbox_of(browser, machine) == "with its sandbox"


def test_no_program_of_ours_asks_for_no_sandbox() -> None:
    assert not any("sandbox" in argument for argument in (*ARGUMENTS, *_ARGUMENTS))


def test_a_real_program_is_found_by_its_path_and_a_text_file_is_not(tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n")
    assert find_browser(program) is None
    program.chmod(0o755)
    assert find_browser(program) == program
    assert find_browser(tmp_path) is None


def test_a_real_machine_runs_commands_and_tells_whether_they_succeeded() -> None:
    machine = Machine()
    assert machine.run([sys.executable, "-c", "import os; assert os.environ['DEBIAN_FRONTEND'] == 'noninteractive'"])
    assert not machine.run([sys.executable, "-c", "raise SystemExit(3)"])
    assert not machine.run(["/no/such/program"])


def test_playwright_s_own_place_is_told_even_while_an_event_loop_runs() -> None:
    async def inside_a_loop() -> Path | None:
        return Machine().downloaded()

    place = asyncio.run(inside_a_loop())
    assert place is not None
    assert "chrom" in str(place)


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "caseproof.evidence.browser"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stdout) == (0, f"{program}\n"), done.stderr
