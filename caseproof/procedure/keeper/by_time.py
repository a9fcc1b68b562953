"""What time asks of the cases of a procedure that says so itself, beside what it asks of every case.

The keeper looks at such a case when something happened to it, and when the procedure wanted it looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from caseproof.channels.outbound.mail import Send
from caseproof.config.policy import Policy
from caseproof.domain.support.procedure import SUPPORT
from caseproof.procedure.core.parts import Ledger, Links
from caseproof.procedure.escalation.waiting import mind_the_time


@dataclass(frozen=True, slots=True)
class OnTime:
    """What was done because time has passed, a sentence for people ("" for nothing), and when to look again (None: not
    before something happens)."""

    did: str = ""
    again: datetime | None = None


class AskTime(Protocol):
    """Does what time asks of this open case now, once: reminds, hands on, tells. ``send`` may raise when it is used."""

    def __call__(self, ledger: Ledger, links: Links, policy: Policy, send: Callable[[], Send], ref: str) -> OnTime:
        """Raises CaseproofError; then it is tried again."""
        ...


def _of_support(ledger: Ledger, links: Links, policy: Policy, send: Callable[[], Send], ref: str) -> OnTime:
    return OnTime(*mind_the_time(ledger, links, policy, send, ref))


BY_TIME: Mapping[str, AskTime] = {SUPPORT.prefix: _of_support}
"""By the prefix of the procedure. The team is told of a question of any other, by the policy's hours."""
