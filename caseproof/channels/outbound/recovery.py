"""The last word of a case to its retailer: the job works again, or the integration is out. It asks nothing.

It stands in the notice's thread. As in every mail of ours, no words of it may read as a "yes".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from email.message import EmailMessage
from pathlib import Path

from caseproof.channels.outbound.composing import greeting, message_of, one_line, rendered
from caseproof.channels.outbound.languages import TEMPLATES, Phrases
from caseproof.domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class RecoveryFacts:
    """What it tells. Any text may come from outside: it is cleaned and escaped here.

    ``removed``: the integration was taken out, and ``run_ended`` is when that was read back;
    otherwise it is when the run ended that was verified. ``live_since``: since when the schedule is live again. Both
    are aware, or None where they are not known. ``zone``: whose time it tells.
    """

    ref: str
    language: str
    contact_name: str
    job_names: tuple[str, ...]
    marketplace: str | None
    removed: bool
    live_since: datetime | None
    run_ended: datetime | None
    zone: tzinfo = UTC


def compose_recovery(
    facts: RecoveryFacts,
    *,
    sender: str,
    reply_to: str,
    recipient: str,
    message_id: str,
    date: datetime,
    follows: str,
    subject: str = "",
    templates: Path = TEMPLATES,
) -> EmailMessage:
    """The mail, as text and HTML; the same arguments give the same bytes (CRLF lines).

    ``follows`` is the Message-ID of the notice, ``subject`` its subject: with it the mail stands in the same thread in
    every mail program; without it the mail has a subject of its own. Raises BadInput for what is no address, and
    BrokenWords.
    """
    if not facts.job_names:
        raise BadInput("The mail names no job.", "Give the jobs of the case.")
    if not follows:
        raise BadInput("The mail follows no notice.", "Give the notice's Message-ID.")
    say = Phrases(facts.language, folder=templates, zone=facts.zone)
    jobs = [one_line(name, 80) for name in facts.job_names]
    ref, kind = one_line(facts.ref, 40), "removed" if facts.removed else "recovered"
    title = say.count(f"{kind}_title", len(jobs))
    words = {
        "say": say,
        "language": facts.language,
        "title": title,
        "greeting": greeting(say, facts.contact_name),
        "ref": ref,
        "jobs": jobs,
        "said": _said(facts, say),
    }
    body = rendered(templates, "recovery", words)
    return message_of(
        sender=sender, recipients=[recipient], date=date, message_id=message_id, reply_to=reply_to, follows=follows,
        subject=f"Re: {one_line(subject, 300)}" if subject else f"[{ref}] {title}", text=body.text, html=body.html,
    )  # fmt: skip


def _said(facts: RecoveryFacts, say: Phrases) -> list[str]:
    """The paragraphs; the jobs are named below all else."""
    many = len(facts.job_names)
    if facts.removed:
        said = [say.count("removed", many)]
        if facts.run_ended:
            said.append(say.count("removed_checked", many, moment=say.moment(facts.run_ended)))
        said.append(say("removed_kept"))
        if facts.marketplace:
            said.append(say("removed_account", marketplace=one_line(facts.marketplace, 60)))
        return [*said, say("recovered_nothing"), say("removed_wrong")]
    said = [say.count("recovered", many)]
    if facts.run_ended:
        said.append(say.count("recovered_run", many, moment=say.moment(facts.run_ended)))
    if facts.live_since:
        said.append(say.count("recovered_live", many, moment=say.moment(facts.live_since)))
    return [*said, say("recovered_nothing"), say("recovered_wrong")]
