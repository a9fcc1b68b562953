"""The keeper's ports: what it reaches Prefect, the platforms and the mail server with.

The pass itself (``caseproof.procedure.keeper.keeper``) is plain code and no tasks: it comes every few minutes, and its
steps would be thousands of task runs a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prefect import get_run_logger

from caseproof.procedure.core.services import Services
from caseproof.procedure.keeper.keeper import KeeperPorts, Ran
from caseproof.store import CaseRow
from tasks.common import load_desk, load_platform, load_sender, runner_of
from tasks.display.board import run_url
from tasks.display.logs import hide, speak_in_words
from tasks.runs.case_runs import wake_runs
from tasks.runs.incident_runs import look_after_incidents
from tasks.runs.reviving import revive

speak_in_words()


def keeper_ports(services: Services) -> KeeperPorts:
    """The ports of this process."""

    def runs(also: Sequence[CaseRow], wake: Mapping[str, str]) -> Ran:
        revived = revive(services, also=also)
        woke = wake_runs(services, wake)
        return Ran(revived.given, revived.waiting, woke.woken, woke.later, revived.said)

    def say(sentence: str) -> None:
        get_run_logger().info("%s.", hide(sentence).rstrip("."))

    return KeeperPorts(
        load_platform, runner_of, load_desk, load_sender, runs, lambda: look_after_incidents(services), say, run_url
    )
