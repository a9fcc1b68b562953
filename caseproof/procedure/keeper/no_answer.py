"""J6: a retailer who does not answer. The account stays paused until a date, and the case says what was tried.

First comes the team: nothing is kept paused that it was not told of, and that it had no time to act on. A retailer's
word always comes first, also one of the same moment. Here nothing is decided for good: on the date the team is asked
anew.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import asks_for_answer, is_answered
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import NOT_THEIRS, WORD
from caseproof.procedure.core.parts import US, Ledger


def is_no_answer(case: Case) -> bool:
    """Whether this case waits for a retailer who was asked for their word and wrote nothing at all since.

    Not where a person has answered for them already, and that was not acted on yet.
    """
    question, notice = case.question, case.notice
    if case.state is not State.WAITING or question is None or question["form"] != WORD or notice is None:
        return False
    theirs = asks_for_answer(case) and case.facts["cause"] not in NOT_THEIRS and case.incident is None
    return bool(theirs) and not is_answered(case) and case.unanswered_since is not None and not case.unhandled


def has_to_be_told(case: Case) -> bool:
    """Whether the team was not told yet that no answer comes."""
    return is_no_answer(case) and not _told(case)


def keep_paused(ledger: Ledger, keeper: KeeperPolicy, ref: str) -> bool:
    """Keep the account of a case without an answer paused, once that is due; whether it was done now.

    The team has as long to act as the policy leaves between telling it and this, however late it was told. Of a
    retailer whom no reminder reached nobody says that they do not answer.
    """
    done: list[Event] = []

    def events(now: Case) -> list[Event]:
        done.clear()  # it is asked again where something happened meanwhile
        if is_no_answer(now) and _is_due(ledger, keeper, now):
            done.append(_kept_paused(ledger, keeper, now))
        return [*done]

    ledger.change(ref, events)
    return bool(done)


def _is_due(ledger: Ledger, keeper: KeeperPolicy, case: Case) -> bool:
    now, since, told = ledger.clock(), case.unanswered_since, _told(case)
    if since is None or not told or (keeper.remind_after_days and not case.since_told(Kind.REMINDER_SENT)):
        return False
    time_to_act = timedelta(days=keeper.keep_paused_after_days - keeper.answer_within_days)
    return now >= max(since + timedelta(days=keeper.keep_paused_after_days), told[0] + time_to_act)


def _told(case: Case) -> list[datetime]:
    """When the team was told that no answer comes to what the retailer was told last."""
    return [event.at for event in case.since_told(Kind.TEAM_TOLD) if event.data.get("no_answer")]


def _kept_paused(ledger: Ledger, keeper: KeeperPolicy, case: Case) -> Event:
    # Half a day is a day here: a date that is today would be over at once.
    until = ledger.clock().date() + timedelta(days=math.ceil(keeper.follow_up_days))
    return ledger.event(Kind.KEPT_PAUSED, US, until=until.isoformat(), reason=_reason(case))


def _reason(case: Case) -> str:
    """What was tried, in a sentence."""
    since = f"{case.unanswered_since:%Y-%m-%d}" if case.unanswered_since else "the notice"
    reminders = [event.at for event in case.since_told(Kind.REMINDER_SENT)]
    tried = _times(reminders) if reminders else "not reminded (the policy names no reminder)"
    told = _dates([_told(case)[0]])
    return f"No answer from the retailer since {since}: {tried}, the team told on {told}. The job stays stopped."


def _times(reminders: list[datetime]) -> str:
    often = "once" if len(reminders) == 1 else f"{len(reminders)} times"
    return f"reminded {often} ({_dates(reminders)})"


def _dates(times: list[datetime]) -> str:
    return ", ".join(f"{at:%Y-%m-%d}" for at in times)
