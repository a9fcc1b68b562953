"""The cause of a failure: whether a person has to be asked for it, who chose it, and what the retailer was told of it.

With the cause unknown nobody is told a guess (house rule 11). Whether a person is asked at all says the policy.
"""

from __future__ import annotations

from caseproof.domain import payloads as says
from caseproof.domain.case import Case
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import UNKNOWN


def owes_cause(case: Case) -> bool:
    """Whether the case is stopped, its retailer not told yet, and nothing said of the cause."""
    waits = case.state is State.CONTAINED and case.notice is None
    return waits and case.facts["cause"] == UNKNOWN and case.cause_settled is None


def is_neutral(case: Case) -> bool:
    """Whether the cause was left open, so that the retailer is told of the failure and asked nothing."""
    settled = case.cause_settled
    return settled is not None and settled.says(says.CauseLeftOpen) is not None and case.facts["cause"] == UNKNOWN


def choice_of(case: Case) -> says.Remembered | None:
    """Who chose the cause, and when; ``shape`` is "" where the choice is not remembered. None: nobody did."""
    settled = case.cause_settled
    chosen = settled.says(says.CauseChosen) if settled else None
    if chosen is not None:
        return says.Remembered(shape=chosen["shape"], by=chosen["by"], on=chosen["on"])
    remembered: says.Remembered | None = case.facts.get("remembered")
    return remembered


def told_cause(case: Case) -> str | None:
    """The cause that the retailer was told last in this round; None where they were told nothing, or only that the
    same happens to many shops and is no fault of theirs (``NoticeSent.cause`` is "" then): no cause makes it wrong."""
    if case.notice is None:
        return None
    if case.correction is not None:
        return case.correction.data["cause"]
    told = case.notice.data.get("cause")
    if told is not None:
        return told or None
    later = [fact.data["was"] for fact in case.all_of(says.CauseChosen) if fact.seq > case.notice.seq]
    return later[0] if later else str(case.facts["cause"])  # a notice of before its event said which


def owes_correction(case: Case) -> bool:
    """Whether the retailer was told another cause than the one that is known now."""
    told = told_cause(case)
    return told is not None and told != case.facts["cause"]


def asks_for_answer(case: Case) -> bool:
    """Whether the retailer owes an answer to what they were told last."""
    return case.last_told is not None and bool(case.last_told.data.get("asks", True))


def asks_anew_since(case: Case) -> int:
    """The number of the event by which a correction asked the retailer anew: what was said before it answers something
    else. 0 where none did."""
    return case.correction.seq if case.correction is not None and asks_for_answer(case) else 0


def is_answered(case: Case) -> bool:
    """Whether the retailer has given a word that counts, and was asked for no other one since."""
    return any(word.seq > asks_anew_since(case) for word in case.words)
