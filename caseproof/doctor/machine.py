"""What this machine must have: Python, the packages, a folder with room, a policy, a browser."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from sqlalchemy.engine import make_url

from caseproof.channels.outbound.languages import LANGUAGES, require_language
from caseproof.config.clock import utc_now
from caseproof.config.policy import Policy, load_policy, policy_file
from caseproof.config.private_files import looseness, open_file, open_way, told
from caseproof.config.settings import Settings
from caseproof.doctor.examination import Failed
from caseproof.domain.errors import BadInput
from caseproof.evidence.browser import require_browser, sandbox_of
from caseproof.evidence.page_check import Shot, refuse_shot
from caseproof.platforms.base import RunPage

PACKAGE = "caseproof"
FREE_BYTES = 1_000_000_000
"""A case's pictures and proof take a megabyte or two; below this the databases beside them are in danger too."""
PICTURE_SECONDS = 10.0
PAGE_NAME = "caseproof-doctor"
SUCCESS = "Completed"

Camera = Callable[..., Shot]
"""``caseproof.evidence.screenshot.photograph``, or what takes its place."""


# -- Python and packages ------------------------------------------------------------------------------------------


def right_python(version: str) -> str:
    """Whether this Python is one that Caseproof is made for."""
    wanted = importlib.metadata.metadata(PACKAGE)["Requires-Python"]
    if not SpecifierSet(wanted).contains(version, prereleases=True):
        raise Failed(
            f"This is Python {version}; Caseproof needs {wanted}.",
            "Make the virtual environment anew with such a Python.",
        )
    return f"Python {version}"


def right_packages(lock: Path | None) -> str:
    """Whether the packages are those of the lock; without one, within the bounds that Caseproof itself states."""
    wanted = _locked(lock) if lock else [Requirement(one) for one in importlib.metadata.requires(PACKAGE) or []]
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [f"{one.name} is {_installed(one) or 'missing'}, not {one.specifier}" for one in wanted if not _is_met(one)]
    if wrong:
        others = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        again = f"`pip install --require-hashes --no-deps -r {lock.name}`" if lock else "`pip install --upgrade` again"
        raise Failed(f"Installed packages differ: {'; '.join(wrong[:5])}{others}.", f"Install the right ones: {again}.")
    return f"{len(wanted)} packages as {lock.name + ' pins them' if lock else 'Caseproof asks for them'}"


def _locked(lock: Path) -> list[Requirement]:
    entries = re.split(r"^(?=\S)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [Requirement(one.partition("\\")[0]) for one in entries if one.strip() and not one.startswith("#")]


def _installed(wanted: Requirement) -> str:
    try:
        return importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _is_met(wanted: Requirement) -> bool:
    found = _installed(wanted)
    return bool(found) and wanted.specifier.contains(found, prereleases=True)


# -- the home folder, its disk, the policy --------------------------------------------------------------------------


def usable_home(settings: Settings) -> str:
    """Whether the folder that holds all local state is there (or can be made) and takes a file."""
    folder = settings.home_folder
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"caseproof doctor")
            file.flush()
    except OSError as error:
        raise Failed(
            f"CASEPROOF_HOME, {folder}, cannot be written to: {error.strerror}.",
            "Make it writable for the user that Caseproof runs as, or name another folder.",
        ) from error
    return str(folder)


def room_left(settings: Settings, wanted: int = FREE_BYTES) -> str:
    """Whether the disk of the home folder has so many bytes of room."""
    free = shutil.disk_usage(settings.home_folder).free
    if free < wanted:
        raise Failed(
            f"The disk of CASEPROOF_HOME, {settings.home_folder}, has {free / 1e9:.1f} GB left.",
            f"Free some space: {wanted / 1e9:g} GB at least.",
        )
    return f"{free / 1e9:.0f} GB free"


def private_files(settings: Settings) -> str:
    """Whether nobody but their owner can read the home's files or change them, nor put another home in its place."""
    home, store = settings.home_folder, make_url(settings.database)
    loose = [*open_way(home), *looseness(home), *open_file(policy_file(settings), secret=False)]
    if store.get_backend_name() == "sqlite" and store.database:
        loose += open_file(Path(store.database), secret=True)
    loose = list({one.path: one for one in loose}.values())
    if loose:
        raise Failed(
            f"Others than the user that Caseproof runs as can get at its files: {told(loose)}.",
            "`caseproof up` closes what it may close of the home. Else: `chmod -R go= FOLDER` for the home and for a "
            "store of your own, `chmod o-w FOLDER` for a folder above it, and give the files to that user.",
        )
    return f"{home} is its owner's alone"


def valid_policy(settings: Settings) -> tuple[str, Policy]:
    """Where the policy in force is, and the policy. Raises PolicyError."""
    path = policy_file(settings)
    policy = load_policy(path)
    try:
        require_language(policy.mail.language)
    except BadInput as error:
        raise Failed(
            f"{path}: mail.language: {error.problem} Contacts without a language of their own get English.",
            f"Write one of {', '.join(LANGUAGES)} there.",
        ) from None
    return str(path), policy


# -- the browser ----------------------------------------------------------------------------------------------------


def browser_takes_pictures(settings: Settings, camera: Camera) -> str:
    """Whether there is a browser, and it really takes a picture of a page. Raises NoBrowser, ScreenshotFailed."""
    browser = require_browser(settings.browser)
    started = utc_now()
    with _tiny_page() as url:
        page = RunPage(url, (PAGE_NAME,), SUCCESS)
        shot = camera(page, browser=browser, clock=utc_now, home=settings.home_folder, seconds=PICTURE_SECONDS)
    refuse_shot(page, shot, ended_at=started)
    return f"{browser} took a picture of {len(shot.png) // 1000 + 1} KB, {sandbox_of(browser)}"


@contextmanager
def _tiny_page() -> Iterator[str]:
    """The address of a page of our own that shows a run's success."""

    class Tiny(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<!doctype html><title>{PAGE_NAME}</title><h1>{PAGE_NAME}</h1><p>{SUCCESS}</p>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tiny)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="doctor-page", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
