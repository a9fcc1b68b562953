"""The states of a support case: a name and a sentence a state, and who owns the case in it. What leads from which to
which says ``steps``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from caseproof.domain.support.vocabulary import Tier


class State(StrEnum):
    """Where a case stands on the ladder. The value is what the store writes down."""

    WITH_L1 = "with_l1"
    WITH_L2 = "with_l2"
    PT_ASKED = "pt_asked"
    PT_ANSWERED = "pt_answered"
    WITH_PT = "with_pt"
    WITH_DEVELOPMENT = "with_development"
    WITH_IMPLEMENTATION = "with_implementation"
    CLOSED = "closed"


SENTENCES: Mapping[StrEnum, str] = {
    State.WITH_L1: "The front line has it: it took the call or the ticket, and solves it or hands it over (E1).",
    State.WITH_L2: "L2 has it and works with the product's documentation (E2).",
    State.PT_ASKED: "L2 has it and asked PT for help; PT owes an answer (E2, E3).",
    State.PT_ANSWERED: "L2 has it and PT's suggestions or questions; L2 tries them and says what came of each (E3).",
    State.WITH_PT: "The product team owns it: L2's efforts are exhausted, or an exception led here (E4, E6).",
    State.WITH_DEVELOPMENT: "A code change is needed: PT had a ticket raised for the development team (E5).",
    State.WITH_IMPLEMENTATION: "It is an implementation or new-site request; the implementation team has it (E6).",
    State.CLOSED: "The case is closed, with its proof.",
}

LABELS: Mapping[StrEnum, str] = {
    State.WITH_L1: "with L1",
    State.WITH_L2: "with L2",
    State.PT_ASKED: "with L2, PT asked",
    State.PT_ANSWERED: "with L2, PT answered",
    State.WITH_PT: "with PT",
    State.WITH_DEVELOPMENT: "with development",
    State.WITH_IMPLEMENTATION: "with implementation",
    State.CLOSED: "closed",
}
"""What people read where a state is named; the store, tags, addresses and JSON have its value."""

OWNERS: Mapping[StrEnum, Tier] = {
    State.WITH_L1: Tier.L1,
    State.WITH_L2: Tier.L2,
    State.PT_ASKED: Tier.L2,
    State.PT_ANSWERED: Tier.L2,
    State.WITH_PT: Tier.PT,
    State.WITH_DEVELOPMENT: Tier.DEV,
    State.WITH_IMPLEMENTATION: Tier.IMPLEMENTATION,
}
"""Who owns an open case: asking PT changes no owner (E2)."""

WITH_L2 = (State.WITH_L2, State.PT_ASKED, State.PT_ANSWERED)
"""The states in which L2 owns it."""
