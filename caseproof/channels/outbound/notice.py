"""J5: the notice that tells a retailer what is wrong, what to do, and what happens next, in plain words.

One file a cause in templates/<language>/causes says it once; it is rendered by two environments, one for plain text
and one that escapes for HTML, so that both parts of the mail always say the same. All other sentences stand in the
language's words.yaml. No words of ours may read as a "yes": a mail program quotes the notice below the answer.
Each contact gets a letter of their own, in their language and with their own link.

One mail may tell of several jobs (``NoticeFacts.jobs``). Where the fault is not the retailer's, the notice says so and
asks nothing of them: the causes in NOT_THEIRS say it in their own words, and an incident that reaches several shops in
those of incident.j2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any, Literal

from caseproof.channels.outbound.composing import (
    environment,
    greeting,
    message_of,
    naming_the_line,
    one_line,
    render,
    tidy_text,
    web_link,
)
from caseproof.channels.outbound.languages import TEMPLATES, BrokenWords, Phrases
from caseproof.channels.outbound.mail import bare_address
from caseproof.config.mail_address import ascii_address
from caseproof.domain.errors import BadInput
from caseproof.domain.spelling import no_such
from caseproof.domain.vocabulary import CAUSES, NOT_THEIRS
from caseproof.http.redaction import redact

_PARTS = ("title", "wrong", "steps", "next")
_MARKUP = re.compile(r"[<>&]")


@dataclass(frozen=True, slots=True)
class JobTold:
    """One job in a notice, and its case.

    ``stopped``: whether we stopped the job; if not, ``cannot_stop_why`` and ``who_can`` say why and who can
    (J3). ``again``: we wrote about it before; ``sent_back``: and it did not fail since, but was not approved either.
    ``started_again``: it was stopped, and somebody started it again: that is the reason, in the mail's language.
    """

    ref: str
    job_name: str
    stopped: bool
    cannot_stop_why: str = ""
    who_can: str = ""
    again: bool = False
    sent_back: bool = False
    started_again: bool = False


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """What a notice tells. Any text may come from outside: it is cleaned, redacted and escaped here.

    The fields of a job are as in JobTold. ``other_jobs``: names of jobs that the same stop reached. ``jobs``: all jobs
    that this mail tells of, where they are several; the one above is among them. ``many_shops``: the same happened to
    several shops at once, so that it is not this one's fault. ``neutral``: nobody knows the cause, and nothing is
    asked. ``corrects``: it takes back what another mail of ours said ("wrong"), or now knows what that one did not
    ("not known"); ``told_at`` is when that one left, and ``is_over`` says that the case is closed, so that it says no
    more. ``deadline``: by when we ask for an answer (aware), or None. ``answer_url``: this contact's own
    link to the confirmation page, or "". Neither shows if nothing is asked. ``zone``: whose time it tells.
    """

    ref: str
    language: str
    retailer: str
    contact_name: str
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
    deadline: datetime | None
    answer_url: str
    jobs: tuple[JobTold, ...] = ()
    many_shops: bool = False
    sent_back: bool = False
    started_again: bool = False
    neutral: bool = False
    corrects: Literal["", "wrong", "not known"] = ""
    told_at: datetime | None = None
    is_over: bool = False
    zone: tzinfo = UTC

    @property
    def asks(self) -> bool:
        """Whether the retailer is asked for anything: never where the fault is not theirs."""
        return not (self.is_over or self.many_shops or self.neutral or self.cause in NOT_THEIRS)


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
    recipient: str,
    message_id: str,
    date: datetime,
    follows: str = "",
    templates: Path = TEMPLATES,
) -> EmailMessage:
    """The notice to one contact, as text and HTML; the same arguments give the same bytes (CRLF lines).

    ``follows``: the Message-ID of the mail that it corrects, in whose thread it stands.
    Raises BadInput for an address, a Message-ID, a link or a time that cannot be used, and BrokenWords.
    """
    if not message_id:
        raise BadInput("The notice has no Message-ID.", "Make it with message_id().")
    if facts.cause not in CAUSES:
        raise no_such("cause", facts.cause, CAUSES)
    say = Phrases(facts.language, folder=templates, zone=facts.zone)
    words = _words(facts, say)
    parts = {html: _parts(facts, words, templates, html=html) for html in (False, True)}
    if facts.is_over:
        words |= {"corrected": _was_another(facts, say, parts[False]["title"])}
    text, html = (
        render(templates, f"notice.{kind}.j2", words | parts[kind == "html"], html=kind == "html")
        for kind in ("txt", "html")
    )
    subject = _subject(words, say, parts[False]["title"])
    return message_of(
        sender=sender, recipients=[recipient], subject=subject, text=tidy_text(text), html=html, date=date,
        message_id=message_id, reply_to=reply_to, follows=follows,
    )  # fmt: skip


def cause_words(cause: str, language: str, marketplace: str | None, *, neutral: bool = False) -> Mapping[str, Any]:
    """What a notice says of a cause, as plain text: ``title`` is a line, ``wrong`` and ``steps`` are lists of them.

    The confirmation page says it in the same words. Raises BrokenWords.
    """
    facts = NoticeFacts(
        ref="", language=language, retailer="", contact_name="", job_name="", marketplace=marketplace, cause=cause,
        summary="", failed_at=None, stopped=True, cannot_stop_why="", who_can="", other_jobs=(), again=False,
        deadline=None, answer_url="", neutral=neutral,
    )  # fmt: skip
    return _parts(facts, _words(facts, Phrases(language)), TEMPLATES, html=False)


def _subject(words: Mapping[str, Any], say: Phrases, title: str) -> str:
    """No name of a job: it is ours, and says nothing to a retailer."""
    many, market = len(words["jobs"]), words["marketplace"]
    about = [market] if market and market not in title else []
    about += [say.count("subject_jobs", many)] if many > 1 else []
    if words["corrected"]:
        title = say("subject_corrected", title=title)
    elif words["again"]:
        title = say("subject_again", title=title)
    return f"[{words['ref']}] {title}" + (f" ({', '.join(about)})" if about else "")


# -- what is wrong, the steps, and what happens next: the template of the cause -----------------------------------


def _parts(facts: NoticeFacts, words: Mapping[str, Any], templates: Path, *, html: bool) -> dict[str, Any]:
    """The template's title, and its paragraphs and steps."""
    name = f"{facts.language}/{_of(facts)}"
    _refuse_markup(templates, name)
    with naming_the_line(templates):
        said = environment(templates, html=html).get_template(name).make_module(dict(words))
    parts = {part: [line.strip() for line in getattr(said, part, "").splitlines() if line.strip()] for part in _PARTS}
    for part, lines in parts.items():
        if not lines:
            raise BrokenWords(f"The template {name} has nothing under {part!r}.", f"Write its {part}.")
    return {**parts, "title": parts["title"][0]}


def _of(facts: NoticeFacts) -> str:
    if facts.cause not in NOT_THEIRS and (facts.many_shops or facts.neutral):
        return "incident.j2" if facts.many_shops else "neutral.j2"
    return f"causes/{facts.cause}.j2"


@cache
def _refuse_markup(templates: Path, name: str) -> None:
    """The words of a cause go into text and HTML alike, so they may hold no markup of their own."""
    try:
        source = (templates / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenWords(f"The template {name} is missing, or no UTF-8.", "Write or restore that file.") from error
    # What a tag leaves is as many lines as it had, so that the line can be named.
    plain = re.sub(r"\{([{%#]).*?[}%#]\}", lambda tag: "\n" * tag[0].count("\n"), source, flags=re.DOTALL)
    if found := _MARKUP.search(plain):
        line = plain.count("\n", 0, found.start()) + 1
        raise BrokenWords(f"The template {name}, line {line} holds <, > or &.", "Say it in words.")


# -- the facts, in words ------------------------------------------------------------------------------------------


def _words(facts: NoticeFacts, say: Phrases) -> dict[str, Any]:
    """The names that templates may use; each is one line of clean text, not yet escaped."""
    job, marketplace = one_line(facts.job_name, 80), one_line(facts.marketplace or "", 60) or None
    one = JobTold(
        facts.ref, facts.job_name, facts.stopped, facts.cannot_stop_why, facts.who_can, facts.again, facts.sent_back,
        facts.started_again,
    )  # fmt: skip
    jobs = facts.jobs or (one,)
    return {
        "say": say,
        "language": facts.language,
        "ref": one_line(facts.ref, 40),
        "greeting": greeting(say, facts.contact_name),
        "lead": _lead(jobs, marketplace, say),
        "jobs": [_told(job, say) for job in facts.jobs],
        "refs": say.listed([one_line(job.ref, 40) for job in jobs]),
        "marketplace": marketplace,
        "details": _details(facts, marketplace, say),
        "technical": [] if facts.is_over else _technical(facts, one, job, say),
        "stopped": sum(job.stopped for job in jobs),
        "cannot_stop": list(dict.fromkeys(said for job in jobs if not job.stopped for said in _who_can_stop(job, say))),
        "others": len(facts.other_jobs),
        "again": all(job.again for job in jobs),
        "before": _before(jobs, say),
        "corrected": _corrected(facts, say),
        "is_over": facts.is_over,
        "asks": facts.asks,
        "deadline": facts.deadline and say.weekday(facts.deadline),
        "no_answer": _no_answer(jobs, say),
        "answer_url": web_link(facts.answer_url),
    }


def _details(facts: NoticeFacts, marketplace: str | None, say: Phrases) -> list[tuple[str, str]]:
    return _named(say, {
        "shop": one_line(facts.retailer, 80),
        "marketplace": marketplace or "",
        "failed_at": say.moment(facts.failed_at) if facts.failed_at else "",
    })  # fmt: skip


def _technical(facts: NoticeFacts, one: JobTold, job: str, say: Phrases) -> list[tuple[str, str]]:
    """What says nothing to most retailers: names of ours, and what a system said. It stands below all else."""
    others = [name for name in (one_line(other, 80) for other in facts.other_jobs) if name]
    named = {"job": "" if facts.jobs else job, "along": ", ".join(others), "message": raw_message(facts.summary)}
    why = [] if facts.jobs or facts.stopped or facts.started_again else _why_not_stopped(one, say)
    return [*_named(say, named), *(("", said) for said in why)]


def _named(say: Phrases, details: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(say(f"detail_{name}"), value) for name, value in details.items() if value]


def raw_message(summary: str) -> str:
    """What a system said, on one line, for whoever wants to read it.

    Redacted again: cases that are older than the check at the entry may hold what it would have taken out.
    """
    return one_line(redact(summary[:10_000]), 300)


def _lead(jobs: Sequence[JobTold], marketplace: str | None, say: Phrases) -> str:
    """What failed, and whether it is stopped (J2, J3)."""
    many, at = len(jobs), {"marketplace": marketplace} if marketplace else {}
    key = f"failed{'_all' if many > 1 else ''}{'_at' if at else ''}"
    failed = say.count(key, many, **at) if many > 1 else say(key, **at)
    stopped = sum(one.stopped for one in jobs)
    if 0 < stopped < many:
        return f"{failed} {say.count('stopped_some', stopped)}"
    return f"{failed} {say.count('stopped' if stopped else 'not_stopped', many)}"


def _no_answer(jobs: Sequence[JobTold], say: Phrases) -> str:
    """What is the case without an answer."""
    stopped = sum(one.stopped for one in jobs)
    if not stopped:
        return say("no_answer")
    return say.count("no_answer_stopped", len(jobs)) if stopped == len(jobs) else say("no_answer_some")


def _before(jobs: Sequence[JobTold], say: Phrases) -> str:
    """What is said where we wrote before: never that a job failed again which did not."""
    if any(one.sent_back for one in jobs):
        return say("before_not_settled")
    return say.count("before_again", len(jobs))


def _corrected(facts: NoticeFacts, say: Phrases) -> str:
    """What is said where another mail of ours told another cause, or none."""
    if not facts.corrects or facts.told_at is None:
        return ""
    key = "corrected_wrong" if facts.corrects == "wrong" else "corrected_not_known"
    said = say(key, day=say.day(facts.told_at))
    return said if facts.asks else f"{said} {say('corrected_nothing')}"


def _was_another(facts: NoticeFacts, say: Phrases, reason: str) -> str:
    """The same once the matter is over: nothing else is left to be said of it."""
    if facts.told_at is None:
        raise BadInput("The mail corrects nothing.", "Say when the other mail left.")
    key = "corrected_over_wrong" if facts.corrects == "wrong" else "corrected_over_not_known"
    return say(key, day=say.day(facts.told_at), reason=reason)


def _told(job: JobTold, say: Phrases) -> str:
    """What became of one of several jobs, on one line."""
    said = [say("job_stopped" if job.stopped else "job_not_stopped")]
    if job.again:
        said.append(say("job_not_settled" if job.sent_back else "job_again"))
    if not job.stopped:
        said += [say("started_again")] if job.started_again else _why_not_stopped(job, say)
    return " ".join([f"{one_line(job.ref, 40)}: {one_line(job.job_name, 80)}.", *said])


def _who_can_stop(job: JobTold, say: Phrases) -> list[str]:
    """J3: who can stop what we could not."""
    if job.started_again:
        return [say("started_again")]
    who = one_line(job.who_can, 120).rstrip(".")
    return [say("cannot_stop_who", who=who)] if who else []


def _why_not_stopped(job: JobTold, say: Phrases) -> list[str]:
    """J3: why we could not stop it, in the platform's own words."""
    why = one_line(job.cannot_stop_why, 300).rstrip(".")
    return [say("cannot_stop_why", why=why)] if why else []
