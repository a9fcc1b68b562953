"""The command as the installed program runs it, in this process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from caseproof import cli
from caseproof.cli import common

Run = Callable[..., "Ended"]


class Ended(NamedTuple):
    """How a command ended: its exit code, and what it wrote where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def for_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have commands work for this home, on a wide terminal, with nothing of the person's own environment."""
    for name in [name for name in os.environ if name.startswith("CASEPROOF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CASEPROOF_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    for console in (common.out, common.err):  # these may have measured the terminal of an earlier test
        monkeypatch.setattr(console, "width", 200)
    return home


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What runs ``caseproof ARGUMENTS...``."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["caseproof", *map(str, arguments)])
        code: int | str | None = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        told = capsys.readouterr()
        return Ended(int(code or 0), told.out, told.err)

    return run
