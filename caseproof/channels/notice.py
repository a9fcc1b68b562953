"""J5: the notice that tells a retailer what is wrong, what to do, and what happens next, in plain words.

One file a cause in templates/causes says it once; it is rendered by two environments, one for plain text and
one that escapes for HTML, so that both parts of the mail always say the same. No words of ours may read as a
"yes": a retailer's mail program quotes the notice below the answer.

One mail may tell of several jobs (``NoticeFacts.jobs``). Where the fault is not the retailer's, the notice says so and
asks nothing of them: the causes in NOT_THEIRS say it in their own words, and an incident that reaches several shops in
those of templates/incident.j2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import jinja2

from caseproof.channels.composing import HTML, TEMPLATES, TEXT, greeting, joined, message_of, one_line, tidy_text
from caseproof.channels.mail import ascii_address, bare_address
from caseproof.channels.redaction import redact
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.policy import CAUSES

NOT_THEIRS = frozenset({"our_platform", "website_changed"})
"""The causes that are never the retailer's fault."""

_PARTS = ("title", "wrong", "steps", "next")
_MARKUP = re.compile(r"[<>&]")


class NoticeError(CaseproofError):
    """A notice cannot be made: a template is missing or broken. The text names it."""


@dataclass(frozen=True, slots=True)
class JobTold:
    """One job in a notice, and its case.

    ``stopped``: whether we stopped the job; if not, ``cannot_stop_why`` and ``who_can`` say why and who can
    (J3). ``again``: we wrote about it before; ``sent_back``: and it did not fail since, but was not approved either.
    """

    ref: str
    job_name: str
    stopped: bool
    cannot_stop_why: str = ""
    who_can: str = ""
    again: bool = False
    sent_back: bool = False


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """What a notice tells. Any text may come from outside: it is cleaned, redacted and escaped here.

    The fields of a job are as in JobTold. ``other_jobs``: names of jobs that the same stop reached. ``jobs``: all jobs
    that this mail tells of, where they are several; the one above is among them. ``many_shops``: the same happened to
    several shops at once, so that it is not this one's fault.
    """

    ref: str
    retailer: str
    contact_names: tuple[str, ...]
    job_name: str
    marketplace: str | None
    cause: str
    summary: str
    failed_at: datetime | None
    stopped: bool
    cannot_stop_why: str
    who_can: str
    other_jobs: tuple[str, ...]
    again: bool
    case_url: str
    jobs: tuple[JobTold, ...] = ()
    many_shops: bool = False
    sent_back: bool = False


def message_id(ref: str, round: int | str, sender: str) -> str:
    """The Message-ID of a case's notice in a round (or check): always the same, so that a repeat counts once."""
    domain = ascii_address(bare_address(sender)).rpartition("@")[2].lower()
    which = re.sub(r"[^0-9A-Za-z-]", "-", str(round))
    return f"<{ref.lower()}.{which}.notice@{domain}>"


def compose(
    facts: NoticeFacts,
    *,
    sender: str,
    reply_to: str,
    recipients: Sequence[str],
    message_id: str,
    date: datetime,
) -> EmailMessage:
    """The notice as a message of text and HTML; the same arguments give the same bytes (CRLF lines).

    Raises BadInput for an address, a Message-ID, a link or a time that cannot be used, and NoticeError.
    """
    if not message_id:
        raise BadInput("The notice has no Message-ID.", "Make it with message_id().")
    if not recipients:
        raise BadInput("The notice has no recipient.", "Add a contact for this retailer.")
    text, html = _render(facts, html=False), _render(facts, html=True)
    return message_of(
        sender=sender, recipients=recipients, subject=text.subject, text=text.body, html=html.body, date=date,
        message_id=message_id, reply_to=reply_to,
    )  # fmt: skip


def check_templates() -> None:
    """Render every cause with sample facts: a broken template is found at start. Raises NoticeError."""
    sample = NoticeFacts(
        ref="JF-000001",
        retailer="Sample Shop",
        contact_names=("Sample Person",),
        job_name="sample/job",
        marketplace="Sample Marketplace",
        cause="unknown",
        summary="401 Unauthorized",
        failed_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        stopped=True,
        cannot_stop_why="",
        who_can="",
        other_jobs=("sample/other",),
        again=True,
        case_url="https://example.com/case",
    )
    bare = replace(sample, contact_names=(), marketplace=None, summary="", failed_at=None, stopped=False, other_jobs=())
    two = (
        JobTold("JF-000001", "sample/job", True, again=True),
        JobTold("JF-000002", "sample/two", False, "why", "who"),
    )
    _refuse_markup(_INCIDENT)
    for cause in CAUSES:
        _refuse_markup(_of_cause(cause))
        for facts in (sample, replace(bare, again=False, case_url=""), replace(sample, jobs=two, many_shops=True)):
            for html in (False, True):
                _render(replace(facts, cause=cause), html=html)


_INCIDENT = "incident.j2"


def _of_cause(cause: str) -> str:
    return f"causes/{cause}.j2"


def _refuse_markup(name: str) -> None:
    """The words of a cause go into text and HTML alike, so they may hold no markup of their own."""
    try:
        source = (TEMPLATES / name).read_text(encoding="utf-8")
    except OSError as error:
        raise NoticeError(f"The template {name} is missing.", "Write or restore that file.") from error
    if _MARKUP.search(re.sub(r"\{[{%#].*?[}%#]\}", "", source, flags=re.DOTALL)):
        raise NoticeError(f"The template {name} holds <, > or &.", "Say it in words.")


@dataclass(frozen=True, slots=True)
class _Rendered:
    subject: str
    body: str


def _render(facts: NoticeFacts, *, html: bool) -> _Rendered:
    if facts.cause not in CAUSES:
        raise BadInput(f"There is no cause {facts.cause!r}.", f"Use one of {', '.join(CAUSES)}.")
    environment = HTML if html else TEXT
    name = _INCIDENT if facts.many_shops and facts.cause not in NOT_THEIRS else _of_cause(facts.cause)
    try:
        words = _words(facts)
        cause = environment.get_template(name).make_module(words)
        parts: dict[str, list[str]] = {}
        for part in _PARTS:
            parts[part] = [line.strip() for line in getattr(cause, part).splitlines() if line.strip()]
            if not parts[part]:
                raise NoticeError(f"The template {name} has nothing under {part!r}.", f"Write its {part}.")
        name = "notice.html.j2" if html else "notice.txt.j2"
        title = parts["title"][0]
        rest = {part: parts[part] for part in _PARTS[1:]}
        body = environment.get_template(name).render(**words, **rest, title=title)
    except (jinja2.TemplateError, AttributeError) as error:
        where = f", line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise NoticeError(f"The template {name}{where} is broken: {error}.", "Correct or restore that file.") from error
    tidy = body if html else tidy_text(body)
    again = "Again: " if words["again"] else ""
    more = len(words["jobs"]) - 1
    job = f"{words['job_name']} and {more} more" if more > 0 else words["job_name"]
    return _Rendered(f"[{words['ref']}] {again}{title} ({job})", tidy)


def _words(facts: NoticeFacts) -> dict[str, Any]:
    """The names that templates may use; each is one line of clean text, not yet escaped."""
    job, marketplace = one_line(facts.job_name, 80), one_line(facts.marketplace or "", 60) or None
    summary = one_line(redact(facts.summary[:10_000]), 300)
    details = [("Shop", one_line(facts.retailer, 80)), ("Job", "" if facts.jobs else job)]
    details.append(("Marketplace", marketplace or ""))
    if facts.failed_at is not None:
        details.append(("Failed on", _moment(facts.failed_at)))
    details.append(("Message of the system", summary))
    jobs = facts.jobs or (
        JobTold(
            facts.ref, facts.job_name, facts.stopped, facts.cannot_stop_why, facts.who_can, facts.again, facts.sent_back
        ),
    )  # fmt: skip
    return {
        "ref": one_line(facts.ref, 40),
        "greeting": greeting(facts.contact_names),
        "lead": _lead(jobs, job, marketplace),
        "job_name": job,
        "jobs": [_told(one) for one in facts.jobs],
        "refs": joined([one_line(one.ref, 40) for one in jobs]),
        "marketplace": marketplace,
        "place": marketplace or "the other system",
        "details": [(name, value) for name, value in details if value],
        "stopped": any(one.stopped for one in jobs),
        "cannot_stop": [] if facts.jobs or facts.stopped else _cannot_stop(jobs[0]),
        "others": [name for name in (one_line(n, 80) for n in facts.other_jobs) if name],
        "again": all(one.again for one in jobs),
        "before": _before(jobs, job),
        "case_url": _link(facts.case_url),
    }


def _lead(jobs: Sequence[JobTold], job: str, marketplace: str | None) -> str:
    at = f" for {marketplace}" if marketplace else ""
    stopped = sum(one.stopped for one in jobs)
    if len(jobs) > 1:
        what = (
            "We have stopped them, so that they do not fail again and again."
            if stopped == len(jobs)
            else f"We have stopped {stopped} of them, so that they do not fail again and again."
            if stopped
            else "We could not stop them from our side, so they may fail again."
        )
        return f"{len(jobs)} of your jobs{at} have failed in the same way. {what}"
    what = (
        "We have stopped it, so that it does not fail again and again."
        if stopped
        else "We could not stop it from our side, so it may fail again."
    )
    return f"The job \u201c{job}\u201d{at} has failed. {what}"


def _before(jobs: Sequence[JobTold], job: str) -> str:
    """What is said where we wrote before: never that a job failed again which did not."""
    if any(one.sent_back for one in jobs):
        return "We wrote to you about this before, and it is not settled yet."
    what = "these jobs" if len(jobs) > 1 else f"the job \u201c{job}\u201d"
    return f"We wrote to you about this before: {what} ran again and failed again."


def _told(job: JobTold) -> str:
    """What became of one of several jobs, on one line."""
    name = f"{one_line(job.ref, 40)}: {one_line(job.job_name, 80)}"
    since = "is not settled yet" if job.sent_back else "failed again"
    again = f" We wrote to you about it before, and it {since}." if job.again else ""
    if job.stopped:
        return f"{name}. Stopped.{again}"
    return " ".join([f"{name}. Not stopped.{again}", *_cannot_stop(job)])


def _cannot_stop(job: JobTold) -> list[str]:
    """J3: why we could not stop it, and who can."""
    why, who = one_line(job.cannot_stop_why, 300).rstrip("."), one_line(job.who_can, 120).rstrip(".")
    told = [f"Why we could not stop it: {why}."] if why else []
    if who:
        told.append(f"Who can stop it: {who}. Please ask them to stop it until the matter is settled.")
    return told


def _link(url: str) -> str:
    if url and not re.fullmatch(r"https?://[^\s\"'<>\x00-\x1f]+", url):
        raise BadInput("The link to the case is not a web address.", "Check CASEPROOF_PUBLIC_URL.")
    return url


def _moment(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"
