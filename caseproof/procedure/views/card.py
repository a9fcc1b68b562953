"""The case card: what an operator sees of a case, as markdown (facts, what blocks closure, next action, timeline)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.closure import Blocker, closure_blockers
from caseproof.domain.events import Event, Kind
from caseproof.domain.lifecycle import SENTENCES, State
from caseproof.domain.vocabulary import WAYS
from caseproof.procedure.core.said import came_by, doubts
from caseproof.procedure.core.texts import data_uri, in_words, link, own_line, plain, short

MACHINERY = frozenset({Kind.QUESTION_ASKED, Kind.TROUBLE_OVER})
"""Events that carry no news for a reader of the timeline."""


def next_action(case: Case) -> str:
    """What has to happen next, in a sentence a person can act on."""
    if case.trouble is not None:
        return f"{case.trouble['problem']} {case.trouble['next_action']}"
    if case.is_closed:
        return "Nothing: the case is closed, with its proof."
    if case.state is State.PAUSED:
        return f"Paused until {case.paused_until}; decide again in the Prefect UI when the time has come."
    if case.state is State.WAITING and not case.confirmations and case.open_replies:
        return "Read what the retailer wrote, and say what it means, in the form of the case's run."
    if case.state is State.WAITING and not case.confirmations:
        return "Wait for the retailer's word and record it, or decide without it if we fixed it ourselves."
    if case.state is State.WAITING:
        return "Decide what becomes of the account, in the form of the case's run."
    if case.state is State.VERIFIED and _only_review_is_missing(closure_blockers(case)):
        return "Review the evidence, in the form of the case's run."
    blockers = closure_blockers(case)
    return blockers[0].next_action if blockers else "The case's run makes the proof and closes the case."


def _only_review_is_missing(blockers: list[Blocker]) -> bool:
    missing = {b.code for b in blockers}
    return "reviewed" in missing and missing <= {"reviewed", "validated", "looked"}


def card(case: Case, *, case_url: str, evidence_url: str, picture: bytes | None = None) -> str:
    """The card as markdown. ``evidence_url`` is what evidence links start with; ``picture`` a small PNG of the run."""
    facts = case.facts
    parts = [
        f"# {case.ref}: {plain(facts['job_name'])}",
        f"**{case.state.upper()}.** {SENTENCES[case.state]}",
        f"**Next:** {plain(next_action(case))}",
        # Not in the table: Prefect cuts a long cell at its right edge.
        f"**What fails:** {plain(short(facts['summary']))}",
        _facts_table(case, case_url),
        _blockers_table(case),
        _proof(case, evidence_url),
        _run(case, picture),
        _words(case),
        timeline(case, evidence_url),
    ]
    return "\n\n".join(part for part in parts if part)


def _proof(case: Case, evidence_url: str) -> str:
    if case.proof is None or not case.is_closed:
        return ""
    file = link(case.proof["file"], f"{evidence_url}/{case.proof['evidence']}")
    return f"## The proof\n\nClosed under **{plain(case.proof['rule'])}**: {file}"


def _run(case: Case, picture: bytes | None) -> str:
    """The run that was read back as successful: its picture, and the link to its own page."""
    run = case.verified
    if run is None:
        return ""
    said = f"{link(run.get('name') or run['run'], run.get('url'))} was read back as {plain(run.get('said') or 'over')}"
    title = "The removal" if run["purpose"] == "removal" else "The successful run"
    lines = [f"## {title}", f"{said}, ended {plain(_minute(run['ended_at']))}."]
    if picture is not None:
        lines.append(f"![the run's own page]({data_uri(picture)})")
    return "\n\n".join(lines)


def _facts_table(case: Case, case_url: str) -> str:
    facts = case.facts
    rows = {
        "Job": link(facts["job"], facts.get("job_url")),
        "Platform": facts["platform"],
        "Retailer": facts.get("retailer") or "not known",
        "Marketplace": facts.get("marketplace") or "none",
        "Cause": in_words(facts["cause"]),
        "Opened": f"{_time(case.opened)} by {case.opened.actor if case.opened else ''} ({facts['how']})",
        "Ticket": _ticket(case),
        "Decision": f"{case.decided} ({case.decision.actor})" if case.decision else "none yet",
        "Case page": link(f"everything about {case.ref}", case_url),
    }
    links = {"Job", "Ticket", "Case page"}
    lines = [f"| {name} | {value if name in links else plain(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _ticket(case: Case) -> str:
    if case.ticket is None:
        return "none yet"
    return link(case.ticket["ticket"], case.ticket.get("url"))


def _blockers_table(case: Case) -> str:
    blockers = closure_blockers(case)
    if case.is_closed or not blockers:
        return ""
    lines = [f"| {b.rule} | {plain(b.missing)} | {plain(b.next_action)} |" for b in blockers]
    return "\n".join(["## What blocks closure", "", "| Rule | Missing | Next action |", "|---|---|---|", *lines])


def _words(case: Case) -> str:
    """The retailer's own words, verbatim, each line quoted, in the order in which they came."""
    said = []
    for word in sorted((*case.confirmations, *case.open_replies), key=lambda fact: fact.seq):
        quoted = "\n".join(f"> {own_line(line)}" for line in str(word["words"]).splitlines())
        who = f"{own_line(word['sender'])}, {plain(came_by(word))}, recorded {_time(word)} by {plain(word.actor)}"
        said.append(f"{'. '.join([who, *map(plain, doubts(case, word))])}:\n\n{quoted}")
    return "## The retailer's word\n\n" + "\n\n".join(said) if said else ""


def timeline(case: Case, evidence_url: str) -> str:
    """Everything that happened, oldest first, as a markdown table with links to the evidence."""
    lines = ["## Timeline", "", "| # | At (UTC) | Who | What |", "|---|---|---|---|"]
    for number, event in enumerate(case.events, start=1):
        if event.kind in MACHINERY:
            continue
        said = plain(sentence(event))
        if event.data.get("evidence"):
            said += f" ([evidence]({evidence_url}/{event.data['evidence']}))"
        # What happened stands last: Prefect cuts a table at its right edge.
        lines.append(f"| {number} | {event.at:%Y-%m-%d %H:%M:%S} | {plain(event.actor)} | {said} |")
    return "\n".join(lines)


_SENTENCES: Mapping[Kind, str] = {
    Kind.OPENED: "Case opened: {summary}",
    Kind.REOPENED: "Case reopened: {why}",
    Kind.FACTS_CORRECTED: "The platform says whose job it is: {retailer}, {marketplace}, {connection}",
    Kind.STOPPED: "Stopped and read back twice: {_jobs}",
    Kind.CANNOT_STOP: "Cannot be stopped from our side: {why} Who can: {who_can}",
    Kind.TICKET_OPENED: "Ticket {ticket} {_opened}",
    Kind.NOTICE_SENT: "Retailer told by mail: {_to}",
    Kind.CONFIRMATION_RECEIVED: "The retailer's written word from {sender}{_way}",
    Kind.CONFIRMATION_REFUSED: "A message from {sender} does not count: {why}",
    Kind.REPLY_RECEIVED: "A reply from {sender} confirms nothing by itself: {why}",
    Kind.ADDRESS_BOUNCED: "Mail to {address} comes back: {why}",
    Kind.CHANGE_VALIDATED: "Validated in the system: {how}",
    Kind.DECIDED: "Decided: {decision}. {reason}",
    Kind.KEPT_PAUSED: "Kept paused until {until}. {reason}",
    Kind.RUN_STARTED: "Run {name} started ({purpose})",
    Kind.RUN_VERIFIED: "Run {name} read back as {said}",
    Kind.RUN_FAILED: "Verification failed: {why}",
    Kind.SCHEDULE_LIVE: "Schedule live again and read back: {_jobs}",
    Kind.NEIGHBOURS_LIVE: "Jobs stopped along with it are live again: {_jobs}",
    Kind.PHOTOGRAPHED: "Screenshot of the run's own page taken",
    Kind.PHOTO_REFUSED: "Screenshot refused: {why}",
    Kind.ATTACHED: "{name} attached to {ticket} and read back",
    Kind.REVIEW_APPROVED: "Review: approved. {remark}",
    Kind.REVIEW_REJECTED: "Review: sent back. {why}",
    Kind.LOOKED_AGAIN: "Last look: no later run failed",
    Kind.FAILED_AGAIN: "Failed again before closing: {why}",
    Kind.PROOF_MADE: "Proof made under {rule}",
    Kind.CLOSED: "Case closed",
    Kind.TICKET_CLOSED: "Ticket {ticket} closed and read back",
    Kind.TICKET_REOPENED: "Ticket {ticket} opened again and read back",
    Kind.RECOVERY_TOLD: "Retailer told by mail how it ended: {_to}",
    Kind.STOP_DID_NOT_HOLD: "The stop did not hold, so it was stopped again: {why}",
    Kind.INCIDENT_JOINED: "Part of the incident {incident}",
    Kind.REMINDER_SENT: "Retailer reminded by mail ({number}): {_to}",
    Kind.TEAM_TOLD: "Team told ({number}): {about}",
    Kind.PARKED: "Parked until {until}: its run was cancelled in the Prefect UI",
    Kind.QUESTION_ASKED: "Question {number} asked: {_form}",
    Kind.QUESTION_ANSWERED: "Question {number} answered: {_form}",
    Kind.ANSWER_REFUSED: "The answer to question {number} was refused: {why}",
    Kind.TROUBLE: "{step} needs help: {problem}",
    Kind.TROUBLE_OVER: "{step}: trying again",
}


RULES: Mapping[Kind, str] = {
    Kind.OPENED: "J1",
    Kind.REOPENED: "J2",
    Kind.STOPPED: "J2",
    Kind.CANNOT_STOP: "J3",
    Kind.TICKET_OPENED: "J1",
    Kind.NOTICE_SENT: "J5",
    Kind.CONFIRMATION_RECEIVED: "J8",
    Kind.CONFIRMATION_REFUSED: "J8",
    Kind.REPLY_RECEIVED: "J8",
    Kind.ADDRESS_BOUNCED: "J5",
    Kind.CHANGE_VALIDATED: "J8",
    Kind.DECIDED: "J6",
    Kind.KEPT_PAUSED: "J6",
    Kind.RUN_STARTED: "J10",
    Kind.RUN_VERIFIED: "J10",
    Kind.RUN_FAILED: "J11",
    Kind.SCHEDULE_LIVE: "J6",
    Kind.NEIGHBOURS_LIVE: "J6",
    Kind.PHOTOGRAPHED: "J7, J8",
    Kind.PHOTO_REFUSED: "J7, J8",
    Kind.ATTACHED: "J7, J8",
    Kind.REVIEW_APPROVED: "J7, J8",
    Kind.REVIEW_REJECTED: "J7, J8",
    Kind.LOOKED_AGAIN: "J10, J11",
    Kind.FAILED_AGAIN: "J10",
    Kind.PROOF_MADE: "J7, J8",
    Kind.CLOSED: "J7, J8",
    Kind.STOP_DID_NOT_HOLD: "J2",
    Kind.REMINDER_SENT: "J5",
    Kind.RECOVERY_TOLD: "J5",
}
"""The rule that an event carries out; events of our own machinery have none."""

_FORMS: Mapping[str, str] = {
    "retailers-word": "the retailer's word",
    "decision": "the decision",
    "review": "the review",
    "try-again": "try again",
}
"""What the forms are called in front of people, by their slug."""


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


def sentence(event: Event) -> str:
    """What happened, as one line of plain text, shortened to ``LONGEST`` characters.

    Why an answer was refused stays whole: it ends in what to do next.
    """
    data = _Blank(event.data)
    data["_form"] = _FORMS.get(str(event.data.get("form")), event.data.get("form"))
    data["_jobs"] = ", ".join(str(job.get("name") or job["job"]) for job in event.data.get("jobs", ()))
    data["_to"] = ", ".join(event.data.get("accepted", ()))
    data["_way"] = f", {WAYS[way]}" if (way := event.data.get("by_way_of")) in WAYS else ""
    data["_opened"] = "adopted" if event.data.get("adopted") else "opened"
    told = _SENTENCES[event.kind].format_map(data)
    return " ".join(told.split()) if event.kind is Kind.ANSWER_REFUSED else short(told)


def _minute(at: object) -> str:
    return f"{str(at)[:16].replace('T', ' ')} UTC"


def _time(fact: Any) -> str:
    return f"{fact.at:%Y-%m-%d %H:%M} UTC" if fact else ""
