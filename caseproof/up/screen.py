"""What people see of `caseproof up`: one screen of addresses and health, and what happened lately."""

from __future__ import annotations

import shlex
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from caseproof.domain.visible import one_line
from caseproof.procedure.views.board import board_url
from caseproof.up.plan import StartPlan
from caseproof.up.prefect_services import SAVED_FILTER, cases_url, newer_cases_url
from caseproof.up.service import Health, Watched

_STYLE = {Health.UP: "green", Health.STARTING: "yellow", Health.SILENT: "bold red", Health.DOWN: "bold red"}
_LATELY = 12
LOG_IN_SECONDS = 600.0
"""How long the living screen shows how to log in: it may stand open for days, where others see it."""


class Screen:
    """Tells what happens: a live screen on a terminal, plain lines with their time elsewhere."""

    log_in = ""
    """How people log in to the web app and to Prefect's page. It may hold a password or a link that was made just now,
    so it goes after a while."""

    def __init__(self, console: Console, home: Path, laid_out: StartPlan) -> None:
        self._console = console
        self._home = home
        self._plan = laid_out
        self._lately: deque[str] = deque(maxlen=_LATELY)
        self._live: Live | None = None
        self._shows_log_in: Callable[[], bool] = lambda: True

    def say(self, sentence: str) -> None:
        """Something happened."""
        line = f"{datetime.now().astimezone():%H:%M:%S}  {one_line(sentence)}"
        self._lately.append(line)
        if self._live is None:
            self._console.print(escape(line), soft_wrap=True, highlight=False)

    def show(self, services: Sequence[Watched]) -> None:
        """Print addresses and health once."""
        self._console.print(self._table(services))
        self._console.print(self._hints(), soft_wrap=True)

    @contextmanager
    def living(self, services: Sequence[Watched]) -> Iterator[None]:
        """Keep the screen current meanwhile, on a terminal; elsewhere print it once."""
        if not self._console.is_terminal:
            self.show(services)
            yield
            return
        with Live(
            get_renderable=lambda: self.now(services), console=self._console, refresh_per_second=2, screen=True
        ) as live:
            self._live, until = live, time.monotonic() + LOG_IN_SECONDS
            self._shows_log_in = lambda: time.monotonic() < until
            try:
                yield
            finally:
                self._live = None

    def now(self, services: Sequence[Watched]) -> RenderableType:
        """The whole screen as it is now."""
        lately = Text("\n".join(reversed(self._lately)), style="dim")  # a low terminal cuts off what stands last
        return Group(self._table(services), self._hints(), Text("\nLately", style="bold"), lately)

    def _table(self, services: Sequence[Watched]) -> Table:
        table = Table(title="Caseproof", title_justify="left", header_style="bold")
        for column in ("Part", "Health", "Where"):
            table.add_column(column, overflow="fold")
        if not any(watched.service.name == "database" for watched in services):
            table.add_row("Store", "", escape(self._plan.database))
        for watched in services:
            table.add_row(
                watched.service.title, Text(watched.health, _STYLE[watched.health]), escape(watched.service.address)
            )
        if not self._plan.own_server:
            table.add_row("Prefect's server (yours)", "", escape(self._plan.ui_url))
        return table

    def _interfaces(self) -> str:
        """Which of Prefect's two interfaces stands where; "" for a server elsewhere, which is set up by others."""
        if not self._plan.own_server:
            return ""
        ui = self._plan.ui_url.rstrip("/")
        opens = "newer" if self._plan.opens_newer_pages else "older"
        return (
            f"{ui} opens Prefect's {opens} interface. Forms read best in the older one, {ui}/dashboard; "
            f"the newer one is {ui}/v2. A browser in which somebody chose one keeps it.\n"
        )

    def _pages(self) -> str:
        """Where Prefect shows the cases, and nothing else."""
        ui = self._plan.ui_url
        newer = f"; in the newer interface {newer_cases_url(ui)}" if self._plan.own_server else ""
        return (
            f"In Prefect: the board is {board_url(ui)}; the runs of cases alone, {cases_url(ui)} (the saved filter "
            f"'{SAVED_FILTER}'{newer}).\n"
        )

    def _hints(self) -> Text:
        log_in = f"{self.log_in}\n" if self.log_in and self._shows_log_in() else ""
        return Text(
            f"{log_in}"
            f"Everything is kept in {self._home}; logs are in {self._plan.logs}.\n"
            f"{self._interfaces()}"
            f"{self._pages()}"
            f"In another terminal: export CASEPROOF_HOME={shlex.quote(str(self._home))}; caseproof doctor\n"
            "Ctrl-C stops everything that was started here.",
            style="dim",
        )
