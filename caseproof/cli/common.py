"""What the commands share: how they print, and options that many of them take."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.progress import Progress, ProgressColumn

from caseproof.cli.session import acting
from caseproof.cli.terminal import HouseConsole, HouseTable, json_text, safe, safe_in_lines
from caseproof.config.signals import handled
from caseproof.domain.decisions import require_member
from caseproof.procedure.core.services import Services

__all__ = [
    "AsJson", "Member", "err", "no_traceback", "on_the_team", "out", "print_json", "progress_bar", "safe", "say_error",
    "say_now", "table_of",
]  # fmt: skip

out = HouseConsole()
err = HouseConsole(stderr=True)


def _whose(by: str) -> str:
    return acting(by, lambda name: err.print(f"acting as {safe(name)}", highlight=False, soft_wrap=True))


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Member = Annotated[
    str,
    typer.Option(
        "--by", help="Who does this, as `team` of the policy names them.", show_default=False, callback=_whose
    ),
]


def on_the_team(services: Services, by: str) -> str:
    """Who is named with ``--by``, as the policy's team list spells it. Raises NotOnTheTeam, which names the list."""
    return require_member(by, services.policy.team)


def print_json(what: Any) -> None:
    """Print for a program: exactly what it is, a terminal or not."""
    sys.stdout.write(json_text(what, sys.stdout.encoding) + "\n")


def say_error(problem: str, next_action: str = "", style: str = "bold red") -> None:
    """An error for people, on stderr."""
    err.print(f"[{style}]caseproof:[/] {safe_in_lines(problem)}", highlight=False, soft_wrap=True)
    if next_action:
        err.print(f"[bold]Next:[/] {safe_in_lines(next_action)}", highlight=False, soft_wrap=True)


def say_now(sentence: str) -> None:
    """What a process that stays tells: a line with its time."""
    say_at(datetime.now(UTC), sentence)


def say_at(at: datetime, sentence: str) -> None:
    """What happened at that time, in a line with it, by the clock of this machine."""
    out.print(f"{at.astimezone():%H:%M:%S}  {safe(sentence)}", soft_wrap=True, highlight=False)


@contextmanager
def no_traceback() -> Iterator[None]:
    """Ctrl-C ends the process at once while Prefect is being imported: its libraries would make an error of it."""
    with handled([signal.SIGINT], lambda *_: os._exit(128 + signal.SIGINT)):
        yield


def table_of(title: str, *columns: str) -> HouseTable:
    """A table in the house's style; long cells are folded, never cut."""
    longest = max(map(len, title.split()), default=0)  # a title is as wide as its table, and may be a path
    table = HouseTable(title=safe(title), title_justify="left", header_style="bold", min_width=longest)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A bar on stderr that is gone when it is done; nothing where that is no terminal."""
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
