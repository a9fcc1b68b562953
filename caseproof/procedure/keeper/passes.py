"""A pass of the keeper, to others: what it is handed, and what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from caseproof.desks.base import Desk
from caseproof.domain.case import Case
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.keeper.problems import Problems
from caseproof.procedure.notify.telling import Send
from caseproof.store import CaseRow


@dataclass
class Ran:
    """What became of flow runs: the cases that got one, how many wait for theirs, the cases whose runs were woken,
    those whose runs can be woken soon, and sentences for people."""

    given: list[str] = field(default_factory=list)
    waiting: int = 0
    woken: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class KeeperPorts:
    """What the keeper reaches other systems with; each may raise when it is used.

    ``runs`` gives cases without a live flow run another (the given ones are looked at besides), and wakes those that
    are named with their run. ``incidents`` looks after the incidents and says what it did. ``say`` tells people.
    ``run_url`` is where people see a flow run. ``desk_called`` is the desk of a name; without, there is ``desk`` alone.
    """

    platform: Callable[[str], JobPlatform]
    runner: Callable[[Case], JobPlatform]
    desk: Callable[[], Desk]
    sender: Callable[[], Send]
    runs: Callable[[Sequence[CaseRow], Mapping[str, str]], Ran]
    incidents: Callable[[], Sequence[str]]
    say: Callable[[str], None]
    run_url: Callable[[str], str]
    desk_called: Callable[[str], Desk] | None = None


@dataclass
class KeeperPass:
    """What a pass did. ``problems`` is what it could not do, by case or by what it was about."""

    looked_at: int = 0
    raised: list[str] = field(default_factory=list)
    stopped_again: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    given_runs: list[str] = field(default_factory=list)
    waiting_for_runs: int = 0
    woken: list[str] = field(default_factory=list)
    reminded: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    done_late: list[str] = field(default_factory=list)
    owed: int = 0
    team_told: int = 0
    paused: list[str] = field(default_factory=list)
    by_time: list[str] = field(default_factory=list)
    reviews: list[str] = field(default_factory=list)
    said_on_ticket: list[str] = field(default_factory=list)
    tickets_opened_again: list[str] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    tested: list[str] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)

    @property
    def is_empty(self) -> bool:
        """Whether it did nothing and found nothing wrong."""
        return replace(self, looked_at=0, waiting_for_runs=0, owed=0) == KeeperPass()  # counts alone: nothing was done

    def in_words(self) -> dict[str, object]:
        """What people see of the pass, as a small table."""
        return {
            "cases that were due": self.looked_at,
            "opened: somebody wanted them": _names(self.raised),
            "stopped again: the stop did not hold": _names(self.stopped_again),
            "reopened: they fail again": _names(self.reopened),
            "given a run": _names(self.given_runs),
            "wait for their run": self.waiting_for_runs,
            "woken": _names(self.woken),
            "retailers reminded about": _names(self.reminded),
            "given a new link": _names(self.renewed),
            "owed, and done now": _names(self.done_late),
            "owed yet: it could not be done": self.owed,
            "told to the team": self.team_told,
            "kept paused: no answer": _names(self.paused),
            "reminded or handed on, because time has passed": _names(self.by_time),
            "somebody wrote on their tickets": _names(self.said_on_ticket),
            "tickets opened again: closed by hand": _names(self.tickets_opened_again),
            "test pages sent to": _names(self.tested),
            "incidents": "; ".join(self.incidents[:20]) or "nothing",
            "could not be done": "; ".join(f"{on}: {said}" for on, said in self.problems.said.items()) or "nothing",
        }


def _names(refs: Sequence[str]) -> str:
    more = f" and {len(refs) - 20} more" if len(refs) > 20 else ""
    return f"{len(refs)}: {', '.join(refs[:20])}{more}" if refs else "0"
