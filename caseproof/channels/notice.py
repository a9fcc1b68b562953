"""J5: the notice that tells a retailer what is wrong, what to do, and what happens next, in plain words.

One file a cause in templates/causes says it once; it is rendered by two environments, one for plain text and
one that escapes for HTML, so that both parts of the mail always say the same. No words of ours may read as a
"yes": a retailer's mail program quotes the notice below the answer.

One mail may tell of several jobs (``NoticeFacts.jobs``). Where the fault is not the retailer's, the notice says so and
asks nothing of them: the causes in NOT_THEIRS say it in their own words, and an incident that reaches several shops in
those of templates/incident.j2.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import jinja2

from caseproof.channels.mail import ascii_address, bare_address, named_address
from caseproof.channels.redaction import redact
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.policy import CAUSES

__all__ = ["NOT_THEIRS", "JobTold", "NoticeError", "NoticeFacts", "check_templates", "compose", "message_id", "redact"]

NOT_THEIRS = frozenset({"our_platform", "website_changed"})
"""The causes that are never the retailer's fault."""

_TEMPLATES = Path(__file__).with_name("templates")
_PARTS = ("title", "wrong", "steps", "next")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_MARKUP = re.compile(r"[<>&]")
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F], None)


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
    if date.tzinfo is None:
        raise BadInput("The notice's date has no time zone.", "Pass an aware datetime.")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise BadInput(f"{_line(message_id, 80)!r} is not a Message-ID.", "Make it with message_id().")
    if not recipients:
        raise BadInput("The notice has no recipient.", "Add a contact for this retailer.")
    to = [_header_address(address) for address in recipients]
    origin, answers = _header_address(sender), _header_address(reply_to)
    text, html = _render(facts, html=False), _render(facts, html=True)
    # Seven bits and CRLF lines survive every mail server.
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["Message-ID"] = message_id
    message["Date"] = date.astimezone(UTC)
    message["From"] = origin
    message["To"] = to
    message["Reply-To"] = answers
    message["Subject"] = text.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text.body, cte="quoted-printable")
    message.add_alternative(html.body, subtype="html", cte="quoted-printable")
    # A boundary made by chance would make two messages out of one; "=_" never stands in quoted-printable.
    message.set_boundary(f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:32]}")
    if text.subject.isascii():
        # Python folds a plain subject right after "Subject:", which some programs show as a blank in front.
        message.policy = message.policy.clone(max_line_length=900)
    return message


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
        source = (_TEMPLATES / name).read_text(encoding="utf-8")
    except OSError as error:
        raise NoticeError(f"The template {name} is missing.", "Write or restore that file.") from error
    if _MARKUP.search(re.sub(r"\{[{%#].*?[}%#]\}", "", source, flags=re.DOTALL)):
        raise NoticeError(f"The template {name} holds <, > or &.", "Say it in words.")


@dataclass(frozen=True, slots=True)
class _Rendered:
    subject: str
    body: str


def _environment(*, html: bool) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(["j2"] if html else []),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


_TEXT, _HTML = _environment(html=False), _environment(html=True)


def _render(facts: NoticeFacts, *, html: bool) -> _Rendered:
    if facts.cause not in CAUSES:
        raise BadInput(f"There is no cause {facts.cause!r}.", f"Use one of {', '.join(CAUSES)}.")
    environment = _HTML if html else _TEXT
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
    tidy = body if html else re.sub(r"\n{4,}", "\n\n\n", body)
    again = "Again: " if words["again"] else ""
    more = len(words["jobs"]) - 1
    job = f"{words['job_name']} and {more} more" if more > 0 else words["job_name"]
    return _Rendered(f"[{words['ref']}] {again}{title} ({job})", tidy)


def _words(facts: NoticeFacts) -> dict[str, Any]:
    """The names that templates may use; each is one line of clean text, not yet escaped."""
    job, marketplace = _line(facts.job_name, 80), _line(facts.marketplace or "", 60) or None
    names = [name for name in (_line(n, 60) for n in facts.contact_names) if name]
    summary = _line(redact(facts.summary[:10_000]), 300)
    details = [("Shop", _line(facts.retailer, 80)), ("Job", "" if facts.jobs else job)]
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
        "ref": _line(facts.ref, 40),
        "greeting": f"Hello {_and(names)}," if names else "Hello,",
        "lead": _lead(jobs, job, marketplace),
        "job_name": job,
        "jobs": [_told(one) for one in facts.jobs],
        "refs": _and([_line(one.ref, 40) for one in jobs]),
        "marketplace": marketplace,
        "place": marketplace or "the other system",
        "details": [(name, value) for name, value in details if value],
        "stopped": any(one.stopped for one in jobs),
        "cannot_stop": [] if facts.jobs or facts.stopped else _cannot_stop(jobs[0]),
        "others": [name for name in (_line(n, 80) for n in facts.other_jobs) if name],
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
    name = f"{_line(job.ref, 40)}: {_line(job.job_name, 80)}"
    since = "is not settled yet" if job.sent_back else "failed again"
    again = f" We wrote to you about it before, and it {since}." if job.again else ""
    if job.stopped:
        return f"{name}. Stopped.{again}"
    return " ".join([f"{name}. Not stopped.{again}", *_cannot_stop(job)])


def _cannot_stop(job: JobTold) -> list[str]:
    """J3: why we could not stop it, and who can."""
    why, who = _line(job.cannot_stop_why, 300).rstrip("."), _line(job.who_can, 120).rstrip(".")
    told = [f"Why we could not stop it: {why}."] if why else []
    if who:
        told.append(f"Who can stop it: {who}. Please ask them to stop it until the matter is settled.")
    return told


def _line(text: str, longest: int) -> str:
    """Text from outside on one line: no control characters, no direction tricks, and not too long."""
    whole = text[: longest * 20].encode("utf-8", "replace").decode("utf-8").translate(_BIDI)
    clean = "".join(" " if unicodedata.category(c) == "Cc" else c for c in whole)
    tidy = " ".join(clean.split())
    return tidy if len(tidy) <= longest else f"{tidy[: longest - 1].rstrip()}\u2026"


def _link(url: str) -> str:
    if url and not re.fullmatch(r"https?://[^\s\"'<>\x00-\x1f]+", url):
        raise BadInput("The link to the case is not a web address.", "Check CASEPROOF_PUBLIC_URL.")
    return url


def _moment(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _header_address(text: str) -> Address:
    name, given = named_address(text)
    address = ascii_address(given)
    if not address.isascii():
        raise BadInput(
            f"Many mail servers cannot carry the address {_line(given, 100)}: its name is not ASCII.",
            "Ask for another address of plain letters, and put that one in its place.",
        )
    return Address(display_name=_line(name, 80), addr_spec=address)
