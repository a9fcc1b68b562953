"""The pages of reports as files: one home's lie in one folder, from which the web app serves them."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from caseproof.domain.errors import CaseproofError

_CASES = re.compile(r"case-report-\d{4}-\d\d-\d\d-to-\d{4}-\d\d-\d\d\.html", re.ASCII)
_TESTS = re.compile(r"test-page-\d{4}-\d\d\.html", re.ASCII)


class ReportNotKept(CaseproofError):
    """The report's file could not be written."""


def reports_folder(home: Path) -> Path:
    """Where the pages of the reports of a home folder lie."""
    return home / "reports"


def kept_page(home: Path, name: str) -> Path | None:
    """The file of a kept report; None for a name that is no report's, or one that is not there."""
    path = reports_folder(home) / name
    is_ours = _CASES.fullmatch(name) or _TESTS.fullmatch(name)
    return path if is_ours and path.is_file() and not path.is_symlink() else None


def kept_pages(home: Path, at_most: int = 20) -> list[str]:
    """The names of the reports that are kept, the one of the latest period first."""
    found = sorted((path.name for path in reports_folder(home).glob("case-report-*.html")), reverse=True)
    return [name for name in found if kept_page(home, name)][:at_most]


def kept_test_pages(home: Path, at_most: int = 12) -> list[str]:
    """The names of the reports of test pages that are kept, the latest month first."""
    found = sorted((path.name for path in reports_folder(home).glob("test-page-*.html")), reverse=True)
    return [name for name in found if kept_page(home, name)][:at_most]


def write_page(path: Path, text: str) -> None:
    """Write a page as a whole or not at all; retailers' names are in it, so it is its owner's alone.

    Raises ReportNotKept.
    """
    if path.exists() and not path.is_file():  # a folder, or a device such as /dev/stdout: it would be replaced
        raise ReportNotKept(f"{path} is no file.", "Name a file you may write, like report.html.")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.touch(mode=0o600)
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ReportNotKept(
            f"The report {path} cannot be written: {error.strerror}.", "Make room, or name a file you may write."
        ) from error
