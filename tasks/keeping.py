"""The keeper's ports: what it reaches Prefect, the platforms and the mail server with; and its passes.

The pass itself (``caseproof.procedure.keeper.keeper``) is plain code and no tasks: it comes every few minutes, and its
steps would be thousands of task runs a day.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from blocks.paging import refresh_channels
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.services import Services, today
from caseproof.procedure.core.told_once import ToldOnce
from caseproof.procedure.keeper.keeper import keep
from caseproof.procedure.keeper.passes import KeeperPass, KeeperPorts, Ran
from caseproof.procedure.views.board import Board
from caseproof.store import CaseRow
from tasks.common import load_desk, load_platform, load_sender, ports, runner_of
from tasks.common import services as installed
from tasks.display.after import show_what_follows
from tasks.display.board import run_url, show_the_board, show_the_pass
from tasks.display.ladder import show_the_ladder
from tasks.display.logs import hide, log, speak_in_words
from tasks.display.on_call import show_who_is_on_call
from tasks.display.test_page import show_the_test_page
from tasks.ports import bound
from tasks.prefect_run import UNREACHABLE
from tasks.runs.case_runs import wake_runs
from tasks.runs.emergency_runs import give_emergency_runs
from tasks.runs.incident_runs import look_after_incidents
from tasks.runs.passes import clear_away
from tasks.runs.reviving import revive

speak_in_words()

SHORTEST_PAUSE = 1.0
"""How long the next pass waits where one took longer than the policy's pace."""


def _log(sentence: str) -> None:
    log().info("%s.", sentence.rstrip("."))


def keeper_ports(services: Services, say: Callable[[str], None] = _log) -> KeeperPorts:
    """The ports of this process."""

    def runs(also: Sequence[CaseRow], wake: Mapping[str, str]) -> Ran:
        revived = revive(services, also=also)
        woke = wake_runs(services, wake)
        return Ran(revived.given, revived.waiting, woke.woken, woke.later, revived.said)

    return KeeperPorts(
        load_platform, runner_of, load_desk, load_sender, runs, lambda: look_after_incidents(services),
        lambda said: say(hide(said)), run_url, load_desk,
    )  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A pass that was made, and the board after it."""

    done: KeeperPass
    board: Board

    @property
    def in_words(self) -> str:
        """What people see first."""
        needs = sum(line.needs_us for line in self.board.lines)
        owed = f"; {self.board.owed_in_all} things are owed" if self.board.owed_in_all else ""
        return f"{self.board.open} open cases; {needs} with an error to put right{owed}."


def keep_once(say: Callable[[str], None] = _log) -> Kept | None:
    """One pass by the policy of now, its tables, and the runs of passes cleared away; None where another is at work.

    Raises what ``keep`` raises.
    """
    services = today(installed())
    with bound(replace(ports(), services=lambda: services)):  # whatever a step looks up, it finds the policy of now
        done = keep(services, keeper_ports(services, say))
        if done is None:
            return None
        show_the_pass(done.in_words())
        board = show_the_board()
        show_the_ladder()
        for what, show in (
            ("Who is on call", show_who_is_on_call), ("The test page", show_the_test_page),
            ("What follows emergencies", lambda: show_what_follows(done.reviews)),
            ("What an emergency needs of Prefect", lambda: _look_after_emergencies(services)),
        ):  # fmt: skip
            try:
                show()
            except Exception as error:  # whatever is wrong with it, cases are looked after
                say(f"{what} is not kept up to date: {type(error).__name__}")
        clear_away(services)
    return Kept(done, board)


def _look_after_emergencies(services: Services) -> None:
    """Keep the copy of the channels fresh, and give emergencies their runs; people are called without either."""
    try:
        refresh_channels(services.settings.home_folder, services.policy)  # what is wrong with one, the doctor tells
        give_emergency_runs(services)
    except (CaseproofError, *UNREACHABLE) as error:
        log().warning("What shows emergencies was not looked after: %s", hide(str(error)))


class KeeperWatch:
    """Makes passes in place, one ``round`` after the other, at the policy's pace: no flow run for each of them."""

    def __init__(self, services: Services, say: Callable[[str], None]) -> None:
        self._services, self._say = services, say
        self._trouble = ToldOnce(lambda said: say(hide(said)), "The keeper looks after the cases again.")

    def round(self) -> float:
        """Make a pass; gives how many seconds to pause before the next one."""
        began = time.monotonic()
        try:
            keep_once(self._say)  # None: the scheduled pass is at work
            self._trouble.is_over()
            pace = today(self._services).policy.times.keeper_minutes * 60
        except Exception as error:  # whatever it is, the watch goes on
            return self._trouble.is_this(error)
        return max(pace - (time.monotonic() - began), SHORTEST_PAUSE)
