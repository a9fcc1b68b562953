"""What the pages and doors of emergencies need beside the store; each is given, so that none of it needs Prefect."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from caseproof.config.policy import Policy
from caseproof.config.policy_check import zone_of
from caseproof.domain.emergency.due import PagingRules
from caseproof.domain.errors import CaseproofError
from caseproof.domain.on_call.turns import duty_ends
from caseproof.domain.people import same_person
from caseproof.procedure.core.on_call import Window, call_plan
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.paging.by_link import Keys

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmergencyParts:
    """``policy`` gives what is in force, ``keys`` what personal links are signed with; ``home`` has the calendars."""

    ledger: Ledger
    policy: Callable[[], Policy]
    keys: Callable[[], Keys]
    home: Path

    def rules(self) -> PagingRules:
        """How long things take."""
        return PagingRules()

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
        try:
            policy = self.policy()
        except CaseproofError:  # a policy that nobody can read keeps nobody from what they are called for
            return ZoneInfo("UTC")
        found = next((one for one in policy.on_call.people if same_person(one.name, person)), None)
        return zone_of(found.timezone) if found else policy.letters_zone
