"""What the pages and doors of emergencies need beside the store; each is given, so that none of it needs Prefect."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from caseproof.config.policy import BUILT_IN, Policy, PolicyError, load_policy
from caseproof.config.policy_check import zone_of
from caseproof.domain.emergency.vocabulary import Criterion
from caseproof.domain.on_call.calling import CaseToCall, Coverage, who_to_call
from caseproof.domain.on_call.duty import OnCall
from caseproof.domain.on_call.turns import duty_ends
from caseproof.domain.people import same_person
from caseproof.procedure.core.on_call import Window, call_plan, contracts_of
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.paging.by_link import Keys

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmergencyParts:
    """``in_force`` gives the policy, ``keys`` what personal links are signed with; ``home`` has the calendars."""

    ledger: Ledger
    in_force: Callable[[], Policy]
    keys: Callable[[], Keys]
    home: Path

    def policy(self) -> Policy:
        """The policy; what is built in where nobody can read it: that keeps nobody from helping."""
        try:
            return self.in_force()
        except PolicyError as error:
            _log.error("The policy cannot be read, and what is built in counts for this emergency: %s", error)
            return load_policy(BUILT_IN)

    def whole_team(self, criteria: Iterable[Criterion]) -> bool:
        """Whether the policy has everybody called at once for what is down."""
        return any(one in self.policy().paging.everybody_at_once for one in criteria)

    def within_contract(self, client: str) -> bool | None:
        """Whether the client's contract covers this moment (E11); None where nobody can say it now."""
        now, policy = self.ledger.clock(), self.policy()
        try:
            contracts = contracts_of(policy.contracts, range(now.year - 1, now.year + 2))
            known = next((one for one in policy.clients if same_person(one, client)), "")
            plan = OnCall((), (), contracts=contracts, clients=policy.clients)  # no calendar: nobody waits for one
            covered = who_to_call(now, CaseToCall(known), plan).coverage
        except Exception:
            _log.exception("What the contract says of this hour cannot be told.")
            return None
        return {Coverage.COVERED: True, Coverage.BILLED: True, Coverage.OUTSIDE: False}.get(covered)

    def shift_ends(self, person: str) -> datetime | None:
        """When the shift of whoever takes it ends; None where they have none, or nobody can say it now."""
        now = self.ledger.clock()
        try:
            plan = call_plan(self.policy(), self.home, Window.around(now, 2), fetch=False)
            return duty_ends(person, now, now + timedelta(days=1), plan)
        except Exception:
            _log.exception("When the shift of %s ends cannot be told.", person)
            return None

    def zone(self, person: str) -> ZoneInfo:
        """The time zone of somebody on the list; of all others, that of our letters."""
        policy = self.policy()
        found = next((one for one in policy.on_call.people if same_person(one.name, person)), None)
        return zone_of(found.timezone) if found else policy.letters_zone
