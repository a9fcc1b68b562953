"""What the commands share: how they print, and options that many of them take."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Table

from caseproof.domain.decisions import require_member
from caseproof.procedure.core.services import Services

out = Console()
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Member = Annotated[
    str, typer.Option("--by", help="Who does this, as `team` of the policy names them.", show_default=False)
]


def on_the_team(services: Services, by: str) -> str:
    """Who is named with ``--by``, as the policy's team list spells it. Raises NotOnTheTeam, which names the list."""
    return require_member(by, services.policy.team)


def print_json(what: Any) -> None:
    """Print for a program."""
    sys.stdout.write(json.dumps(what, indent=2, ensure_ascii=False, default=str) + "\n")


def table_of(title: str, *columns: str) -> Table:
    """A table in the house's style; long cells are folded, never cut."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A bar on stderr that is gone when it is done; nothing where that is no terminal."""
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
