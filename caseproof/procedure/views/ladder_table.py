"""All open support cases as one list: who acts, what for and since when, and who has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.support.procedure import SUPPORT
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.views.board import line

LADDER_TABLE = "caseproof-ladder"
"""The key of the table in Prefect."""
AT_MOST = 300


@dataclass(frozen=True, slots=True)
class LadderLine:
    """An open support case; ``run`` is its flow run and ``holder`` who has it ("" for none), ``since`` is in UTC."""

    ref: str
    summary: str
    client: str
    site: str
    product: str
    who: str
    what: str
    since: datetime
    holder: str
    run: str


def ladder_lines(ledger: Ledger, keeper: KeeperPolicy) -> list[LadderLine]:
    """The open support cases, those that wait longest first. Reads rows only."""
    now = ledger.clock()
    with ledger.store.reading() as uow:
        rows = uow.worklist.open_of(SUPPORT.prefix, AT_MOST, now)
    found = []
    for row in rows:
        said = line(row.case, keeper, now)
        found.append(
            LadderLine(
                row.case.ref, row.case.job_name, row.case.retailer, row.case.marketplace, row.case.platform, said.who,
                said.what, said.since, row.holder, row.case.flow_run or "",
            )
        )  # fmt: skip
    return found
