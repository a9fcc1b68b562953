"""Which browser takes the screenshots: one that is there, else Debian's package, else Playwright's download.

Run as a program it says which one that is: ``python -m caseproof.evidence.browser [--install]``.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Error, sync_playwright
from playwright.sync_api import TimeoutError as TooSlow

from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.visible import visible

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ("--disable-dev-shm-usage", "--disable-gpu")
"""What a browser is started with in a container, too, where /dev/shm is small. Its sandbox: see ``started``."""

_AS_ROOT = "without its sandbox, because Chromium has none for root: run Caseproof as another user"
_NOT_HERE = "without its sandbox, because this machine allows it no user namespaces"
_WITH = "with its sandbox"

# A download over a slow line takes minutes; a package manager that waits for a lock must not wait for ever.
INSTALL_SECONDS = 900.0

_UPDATE = ("apt-get", "update")
_DEBIAN = ("apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core")
_DOWNLOAD = (sys.executable, "-m", "playwright", "install", "chromium")

Say = Callable[[str], None]
T = TypeVar("T")
_log = logging.getLogger(__name__)
_without: set[Path] = set()
"""Browsers that did not start with their sandbox in this process, and did without."""


class NoBrowser(CaseproofError):
    """There is no browser to take screenshots with; without one no case can close."""

    code = Code.NO_BROWSER


class Machine:
    """What finding and installing a browser needs of the computer; tests put a made-up one in its place."""

    def on_path(self, name: str) -> Path | None:
        """The program of that name on PATH."""
        found = shutil.which(name)
        return Path(found) if found else None

    def runnable(self, program: Path) -> bool:
        """Whether this is a program that we may run."""
        return program.is_file() and os.access(program, os.X_OK)

    def downloaded(self) -> Path | None:
        """The browser that Playwright downloaded for this user, or would; None when it cannot tell."""
        # Playwright's driver does not start in a thread whose event loop is running: hence the thread.
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(_where_playwright_keeps_its_own).result()

    def is_root(self) -> bool:
        """Whether we may install packages."""
        return hasattr(os, "geteuid") and os.geteuid() == 0

    def run(self, command: Sequence[str]) -> bool:
        """Run a command without questions, its output going where ours goes; whether it succeeded."""
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            done = subprocess.run(  # noqa: S603 - one of the three fixed commands above
                command, env=quiet, stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0


THIS_MACHINE = Machine()


def find_browser(configured: Path | None = None, machine: Machine = THIS_MACHINE) -> Path | None:
    """The browser to use, if any: the configured one, the first on PATH, then Playwright's own.

    Where one is configured, no other is taken in its place.
    """
    if configured is not None:
        program = configured.expanduser()
        return program if machine.runnable(program) else None
    for name in NAMES:
        found = machine.on_path(name)
        if found is not None:
            return found
    own = machine.downloaded()
    return own if own is not None and machine.runnable(own) else None


def require_browser(configured: Path | None = None, machine: Machine = THIS_MACHINE) -> Path:
    """The browser to use. Raises NoBrowser with what to do about it."""
    found = find_browser(configured, machine)
    if found is not None:
        return found
    if configured is not None:
        raise NoBrowser(
            f"The configured browser {configured} is not a program that can be run.",
            "Set CASEPROOF_BROWSER to a Chromium or Chrome, or unset it to use the first one that is found.",
        )
    raise NoBrowser(
        "There is no browser on this machine to take the screenshot with that a closure needs.",
        "Install one with: python -m caseproof.evidence.browser --install. Or set CASEPROOF_BROWSER.",
    )


def install_browser(configured: Path | None = None, machine: Machine = THIS_MACHINE, say: Say = lambda _: None) -> Path:
    """Make sure that there is a browser, and return it; what is done is told through ``say``, a line a step.

    A configured browser is never installed for anybody. Raises NoBrowser when none can be had.
    """
    found = find_browser(configured, machine)
    if found is not None or configured is not None:
        return found or require_browser(configured, machine)
    if machine.is_root() and machine.on_path("apt-get") is not None:
        say("No browser here. Installing Debian's chromium ...")
        # An update that fails for one source of many may still do, so its result does not decide.
        machine.run(_UPDATE)
        if machine.run(_DEBIAN) and (found := find_browser(None, machine)):
            return found
        say("Debian's package could not be installed.")
    say("Downloading Playwright's chromium ...")
    if machine.run(_DOWNLOAD) and (found := find_browser(None, machine)):
        return found
    raise NoBrowser(
        "No browser could be installed: Debian's package and Playwright's download both failed.",
        "Install Chromium or Chrome by hand and put it on PATH, or set CASEPROOF_BROWSER to it.",
    )


def started(browser: Path, start: Callable[[bool], T], machine: Machine = THIS_MACHINE) -> T:
    """Start a browser, by calling ``start``: with its sandbox (True), and without only where it does not start with it.

    Pages come from outside, and a browser has faults: the sandbox is what keeps such a fault off this machine. Raises
    what ``start`` raises without a sandbox; what took too long is not tried twice.
    """
    if machine.is_root() or browser in _without:
        return start(False)
    try:
        return start(True)
    except TooSlow:
        raise
    except Error:
        running = start(False)
    _without.add(browser)
    _log.warning("The browser %s starts %s.", browser, _NOT_HERE)
    return running


def sandbox_of(browser: Path, machine: Machine = THIS_MACHINE) -> str:
    """How this browser starts here, as far as this process knows: a part of a sentence for people."""
    if machine.is_root():
        return _AS_ROOT
    return _NOT_HERE if browser in _without else _WITH


def _where_playwright_keeps_its_own() -> Path | None:
    try:
        with sync_playwright() as playwright:
            return Path(playwright.chromium.executable_path)
    except (Error, OSError):
        return None


def main(arguments: Sequence[str] | None = None, machine: Machine = THIS_MACHINE) -> int:
    """Print the browser's path; 0 when there is one, 1 with the reason on stderr when there is none."""
    parser = argparse.ArgumentParser(prog="python -m caseproof.evidence.browser", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install one if none is found")
    wanted = parser.parse_args(arguments)
    setting = os.environ.get("CASEPROOF_BROWSER")
    configured = Path(setting) if setting else None
    try:
        found = install_browser(configured, machine, _say) if wanted.install else require_browser(configured, machine)
    except NoBrowser as error:
        sys.stderr.write(f"{visible(str(error))}\n")
        return 1
    _say(str(found))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(visible(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
