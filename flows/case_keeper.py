"""The keeper: every few minutes it sees to it that no case is forgotten (J2, J5, J6, J10)."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from caseproof.procedure.keeper.keeper import keep
from tasks.common import KEEP_NOTHING, services
from tasks.display.board import show_the_board, show_the_pass
from tasks.keeping import keeper_ports


@flow(name="case-keeper", flow_run_name="keeper pass", **KEEP_NOTHING)
def case_keeper() -> State[Any]:
    """Stop again what does not stand still, reopen what fails again, give every open case a live run, wake those with
    news, remind the retailers, tell the team, and draw the board."""
    done = keep(services(), keeper_ports(services()))
    if done is None:
        return Completed(message="Another pass is at work; nothing was done twice.")
    show_the_pass(done.in_words())
    board = show_the_board()
    needs = sum(line.needs_us for line in board.lines)
    owed = f"; {board.owed_in_all} things are owed" if board.owed_in_all else ""
    return Completed(message=f"{board.open} open cases; {needs} with an error to put right{owed}.")
