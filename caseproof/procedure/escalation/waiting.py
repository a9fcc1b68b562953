"""What time does to a support case: the tier to which it came is told at once. By the policy's limits its holder or its
tier is reminded, then it goes on where no gate is closed, else the tier's lead is told what is missing. Nobody skips a
gate by waiting.

A mail leaves before it is written down: a crash in between may tell it twice, never not at all (house rule 9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from caseproof.channels.outbound.composing import message_of
from caseproof.channels.outbound.mail import Send
from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.closure import Blocker
from caseproof.domain.events import Event
from caseproof.domain.payloads import TeamTold
from caseproof.domain.people import same_person
from caseproof.domain.support.conditions import linked_jobs, proof_of
from caseproof.domain.support.efforts import documents
from caseproof.domain.support.forms import form_for
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.ladder import owner_of, who_acts
from caseproof.domain.support.lifecycle import LABELS, State
from caseproof.domain.support.vocabulary import TIER_NAMES, Tier
from caseproof.domain.support.waiting import (
    Asked,
    Late,
    Limit,
    begins_with,
    came_to_its_tier,
    stands_since,
    what_is_left_to_ask,
    what_time_asks,
    who_has_to_hear,
)
from caseproof.domain.visible import one_line
from caseproof.procedure.core.parts import US, Ledger, Links, event_of
from caseproof.procedure.core.support import documents_linked, people_of
from caseproof.procedure.core.texts import short
from caseproof.procedure.escalation.closing import is_closed_anew
from caseproof.procedure.escalation.holding import follow
from caseproof.store.logins import folded_name

JOBS_EVERY = timedelta(minutes=10)
"""How often it is looked whether a linked job's case is closed by now."""

_NOBODY = Blocker(
    "nobody", "E1", "Somebody in L2: by the policy nobody is.", "Name its people under `ladder` in policy.yaml."
)


def limits_of(policy: Policy) -> dict[Tier, Limit]:
    """The policy's limits, as the rules have them."""
    return {
        Tier[name]: Limit(
            timedelta(hours=one.nudge_hours),
            timedelta(hours=one.hand_on_hours) if one.hand_on_hours is not None else None,
        )
        for name, one in policy.ladder.limits.items()
    }


def mind_the_time(
    ledger: Ledger, links: Links, policy: Policy, send: Callable[[], Send], ref: str
) -> tuple[str, datetime | None]:
    """Do what time asks of this case now, once; gives what was done ("" for nothing) and when to look again.

    Raises MailDown and MailRefused: then it is tried again.
    """
    case, now = ledger.case(ref), ledger.clock()
    if case.is_closed:
        return "", None
    limits = limits_of(policy)
    asked = what_time_asks(case, limits, now) or what_is_left_to_ask(case, limits, now)
    if asked is not None and asked.what is Late.HAND_ON and asked.to is Tier.L2 and not people_of(policy)[Tier.L2]:
        asked = replace(asked, what=Late.TELL_LEAD, missing=(_NOBODY,))
    did = ""
    if asked is not None and asked.what is Late.HAND_ON and asked.to is Tier.L2:
        case = _hand_on(ledger, policy, case, limits)
        if case.state is State.WITH_L2:
            did = "handed on to L2, because its time with L1 is over"
    elif asked is not None and not _is_told(case, asked):
        _tell(ledger, links, policy, send, case, asked)
        did = f"{'the lead' if asked.what is not Late.NUDGE else 'the tier'} of {asked.tier} was told that it waits"
    if asked is None or asked.what is Late.HAND_ON:
        _tell_who_has_it_now(ledger, links, policy, send, case)  # nobody's form is asked anew for it: they may be at it
    closed = _closed_jobs(ledger, case)
    if closed:
        did = did or f"the case of its job is closed: {', '.join(closed)}"
    return did, _next_look(case, limits, now)


def _closed_jobs(ledger: Ledger, case: Case) -> list[str]:
    """The linked jobs' cases that are closed, of which this case does not know yet: its run reads their proof."""
    return [ref for ref in linked_jobs(case) if is_closed_anew(case, ledger.case(ref))]


def _next_look(case: Case, limits: Mapping[Tier, Limit], now: datetime) -> datetime | None:
    tier, since = who_acts(case), stands_since(case)
    solution = case.own.get("solution")
    if solution is not None:
        tier, since = owner_of(case), solution.at
    looks = [now + JOBS_EVERY] if any(proof_of(case, job) is None for job in linked_jobs(case)) else []
    if tier is not None and tier in limits and since is not None and (solution is None or form_for(case) is not None):
        limit = limits[tier]
        times = [since + limit.nudge, *([since + limit.hand_on] if limit.hand_on is not None else [])]
        looks += [time for time in times if time > now][:1]
    return min(looks, default=None)


# -- the case goes on -----------------------------------------------------------------------------------------------


def _hand_on(ledger: Ledger, policy: Policy, case: Case, limits: Mapping[Tier, Limit]) -> Case:
    """L1's time is over, and no gate is closed: L2 has it from here."""
    now = ledger.clock()
    why = "L1's time with it is over by the policy; what L1 tried did not solve it."
    event = event_of(Kind.HANDED_TO_L2, now, US, {"tier": str(Tier.L1), "why": why})
    more = documents_linked(policy.ladder, str(case.facts["product"]), now)

    def once(after: Case) -> Sequence[Event]:
        asked = what_time_asks(after, limits, now)
        if asked is None or asked.what is not Late.HAND_ON:
            return []  # somebody was at work meanwhile
        return [event, *([] if documents(after) else more)]

    after = ledger.change(case.ref, once)
    follow(ledger, case, after, US)
    return after


# -- people are told ------------------------------------------------------------------------------------------------


def _tell_who_has_it_now(ledger: Ledger, links: Links, policy: Policy, send: Callable[[], Send], case: Case) -> None:
    """The people of the tier to which the case came are told, once each time that it comes to a tier."""
    came = who_has_to_hear(case)
    if came is not None and not _is_told(case, came) and _whom(ledger, policy, case, came):
        _tell(ledger, links, policy, send, case, came)


def _mark(case: Case, asked: Asked) -> tuple[int, int]:
    """What tells this mail from others: since which event the case stands so; 0 for that it came, 1 for a reminder, 2
    for a lead."""
    if asked.what is Late.CAME:
        return came_to_its_tier(case), 0
    solution = case.own.get("solution")
    begun = max(begins_with(case), solution.seq if solution else 0, _last_wrote(case) if solution else 0)
    return begun, 1 if asked.what is Late.NUDGE else 2


def _last_wrote(case: Case) -> int:
    return max((fact.seq for fact in case.every(Kind.CLIENT_WROTE)), default=0)


def _is_told(case: Case, asked: Asked) -> bool:
    told = {(fact.data.get("of"), fact.data["number"]) for fact in case.all_of(TeamTold)}
    return _mark(case, asked) in told


def _tell(ledger: Ledger, links: Links, policy: Policy, send: Callable[[], Send], case: Case, asked: Asked) -> None:
    to = _whom(ledger, policy, case, asked)
    of, number = _mark(case, asked)
    about = _about(asked)
    if to:
        send()(_mail(links, policy, case, asked, to, of, number, ledger.clock()), policy.mail.sender, to)
    by = f"mail to {len(to)} and the board" if to else "the board"
    said = {"about": short(about), "number": number, "by": by, "aside": True, "of": of}
    event = event_of(Kind.TEAM_TOLD, ledger.clock(), US, said)
    ledger.change(case.ref, lambda now: [] if _is_told(now, asked) else [event])


def _whom(ledger: Ledger, policy: Policy, case: Case, asked: Asked) -> list[str]:
    """The addresses: the lead's; else of who has the case, or of everybody in the tier; else the team's.

    Who brought the case there knows it.
    """
    ladder, on_call = policy.ladder, policy.on_call
    found: list[str] = []
    if asked.what not in (Late.NUDGE, Late.CAME):
        found = [ladder.lead_mail(asked.tier.name, on_call)]
    else:
        with ledger.store.reading() as uow:
            _, holder = uow.worklist.standing([case.ref])[case.ref]
        members = list(people_of(policy)[asked.tier])
        if asked.what is Late.CAME:
            brought = case.events[came_to_its_tier(case) - 1].actor
            members = [name for name in members if not same_person(name, brought)]
            if not members or holder == folded_name(brought):
                return []
        held = [name for name in members if holder and same_person(folded_name(name), holder)]
        found = [ladder.mail_of(name, on_call) for name in held] if held else []
        found = [one for one in found if one] or [ladder.mail_of(name, on_call) for name in members]
    known = list(dict.fromkeys(one for one in found if one))
    return known or ([policy.mail.team] if policy.mail.team else [])


def _about(asked: Asked) -> str:
    if asked.what is Late.CAME:
        return f"it came to {TIER_NAMES[asked.tier]} at {asked.since:%Y-%m-%d %H:%M} UTC"
    waits = f"waits for {TIER_NAMES[asked.tier]} since {asked.since:%Y-%m-%d %H:%M} UTC"
    missing = "; ".join(f"{one.rule}: {one.missing}" for one in asked.missing)
    return f"{waits}. Missing: {missing}" if missing else waits


def _mail(
    links: Links, policy: Policy, case: Case, asked: Asked, to: Sequence[str], of: int, number: int, at: datetime
) -> bytes:
    sender = policy.mail.sender
    name = hashlib.sha256(f"{case.ref}/{of}/{number}".encode()).hexdigest()[:32]
    domain = sender.rpartition("@")[2].rstrip("> ")
    left = [f"- {one.rule}: {one.missing} {one.next_action}" for one in asked.missing]
    since = f"{asked.since:%Y-%m-%d %H:%M} UTC"
    parts = [
        f"{case.ref}, {one_line(case.facts['summary'])} ({one_line(case.facts['client'])}), is "
        f"{LABELS[State(case.state)]} and waits for {TIER_NAMES[asked.tier]}"
        f"{f', since {since}' if asked.what is Late.CAME else f'; its time was over at {since}'}.",
        *(["What is missing before it can go on:\n" + "\n".join(left)] if left else []),
        links.case_url(case.ref),
        "This mail was written by a program.",
    ]
    subject = f"Caseproof: {case.ref} waits for {asked.tier}"
    message = message_of(sender=sender, recipients=list(to), subject=subject, text="\n\n".join(parts), date=at)
    if "Message-ID" not in message:
        message["Message-ID"] = f"<team.{name}@{domain}>"
    return message.as_bytes()
