"""What the confirmation page says: the form, the states of a link, and what goes wrong, in the letter's language."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response

from caseproof.channels.outbound.composing import one_line
from caseproof.channels.outbound.languages import LANGUAGES, Phrases, language_of
from caseproof.channels.outbound.mail import named_address
from caseproof.channels.outbound.notice import cause_words
from caseproof.domain.errors import CaseproofError
from caseproof.domain.vocabulary import Choice
from caseproof.evidence.signing import BadLink, LinkReplaced
from caseproof.procedure.answers.answer_link import Asked, GivenAnswer, JobAsked, LinkState
from caseproof.procedure.answers.answering import MOST_NAME, MOST_WORDS, Given, as_typed
from caseproof.procedure.answers.told_jobs import MOST, SETTLED_DAYS, JobState, ToldJobs
from caseproof.procedure.core.parts import ReplyAddresses
from caseproof.web.answer_guard import Fields, TooMuch, TooOften, as_number, form_key, one_of
from caseproof.web.pages import HEADERS, Pages

_log = logging.getLogger(__name__)

PAGE_HEADERS = HEADERS | {
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace("form-action 'none'", "form-action 'self'"),
    # With "no-referrer" a browser would not say where its own form came from, either.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive, nosnippet",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """What came from a form, as it was typed; all empty where none was sent."""

    choice: str = ""
    name: str = ""
    words: str = ""
    refs: tuple[str, ...] = ()
    seen: int = -1
    key: str = ""
    language: str = ""

    @classmethod
    def of(cls, fields: Fields) -> Typed:
        """The fields that the page has; whatever else was sent is left out."""
        one = {name: one_of(fields, name) for name in ("choice", "name", "words", "key", "language", "seen")}
        seen = one.pop("seen")
        return cls(**one, refs=tuple(fields.get("job", ())), seen=as_number(seen))

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The same as the fields of a form that sends it once more."""
        named = ("choice", "name", "words", "key", "language")
        return [("seen", str(self.seen)), *((n, getattr(self, n)) for n in named), *(("job", ref) for ref in self.refs)]

    def is_said(self, said: GivenAnswer | None) -> bool:
        """Whether this is what we have already: somebody pressed the button twice."""
        if said is None or (self.choice, as_typed(self.name).strip()) != (said.choice, said.name):
            return False
        return not self.words.strip() or as_typed(self.words) == said.words


NOTHING = Typed()


class AnswerPages:
    """What the page says, in the language of whoever got the letter."""

    def __init__(self, replies: ReplyAddresses, public: str) -> None:
        self._replies = replies
        self._base = urlsplit(replies.page or public).path.rstrip("/")
        self._pages = Pages(self._base)
        name, address = named_address(replies.mail.sender)
        self._sender = one_line(name or address, 80)
        self._mail = named_address(replies.mail.reply_to)[1]

    def action(self, token: str) -> str:
        """Where the form of a link is sent: the page's own address."""
        return f"{self._base}/answer/{quote(token, safe='')}"

    # -- the states of a link --------------------------------------------------------------------------------------

    def state(
        self, token: str, state: Asked, typed: Typed = NOTHING, wrong: Mapping[str, str] | None = None, status: int = 0
    ) -> Response:
        """The page of a link as it stands; ``wrong`` says a word a field of what was typed."""
        say = Phrases(state.language, "page")
        if state.offered:
            stale = {} if typed is NOTHING else {"form": "form"}  # it belongs to the page of a moment ago
            return self._form(token, state, say, typed, wrong or stale, status or 200)
        said = self._said(state, say)
        if state.expired:
            return self._told(say, "expired", status or 410, typed=typed)
        if state.standing(LinkState.ANSWERED):
            told = [say("answered"), *self._colleagues(state, say)]
            return self._told(say, "answered", status or 200, told=told, said=said, typed=typed, of=token)
        if state.standing(LinkState.SUPERSEDED):
            return self._told(say, "superseded", status or 200, said=said, typed=typed, of=token)
        return self._told(say, "no_contact", 403, typed=typed)

    def jobs(self, token: str, found: ToldJobs) -> Response:
        """How the jobs stand that the contact who holds this link was told of; nothing where it does not hold."""
        state = found.asked
        say, own = (Phrases(state.language, name) for name in ("page", "jobs"))
        if not found.may_look:
            return self._told(say, *(("expired", 410) if state.expired else ("no_contact", 403)))
        moment = self._common(say).moment
        shown = [
            (one_line(job.job_name, 80), one_line(job.marketplace, 60), own(job.state, when=moment(job.since)),
             own("asked_help") if job.state is JobState.ASKED else "")
            for job in found.jobs
        ]  # fmt: skip
        return self._show(
            "answer_jobs.html", 200, say=say, own=own, head=own("page_title"), shown=shown, action=self.action(token),
            lead=own("lead", address=one_line(state.letter.to, 254)), kept=own("kept", days=SETTLED_DAYS),
            more=own("more", most=MOST) if found.more else "",
        )  # fmt: skip

    def trouble(
        self, request: Request, error: CaseproofError | None, token: str = "", typed: Typed = NOTHING
    ) -> Response:
        """The page for what went wrong; None is an address that is none. What was typed can be sent once more."""
        known = error.language if isinstance(error, LinkReplaced) else ""
        say = Phrases(known or self._wanted(request, typed), "page")
        match error:
            case None:
                return self._told(say, "nothing", 404)
            case LinkReplaced():
                return self._told(say, "replaced" if error.newer else "void", 410, typed=typed)
            case BadLink():
                return self._told(say, "broken", 404, typed=typed)
            case TooMuch():
                return self._told(say, "much", 413)
            case TooOften():
                after = say("often_next", seconds=error.seconds)
                response = self._told(say, "often", 429, after=after, typed=typed, token=token)
                response.headers["Retry-After"] = str(error.seconds)
                return response
        _log.error("The confirmation page could not be made or an answer not kept: %s", error)  # retailers see no more
        title = "" if token else say("down_look_title")
        return self._told(say, "down", 503, title=title, typed=typed, token=token)

    def given(self, state: Asked, typed: Typed) -> Given:
        """What was typed, with what the page showed for it."""
        choices = state.choices if typed.choice in state.choices else tuple(Choice)
        jobs = [job for job in state.jobs if job.ref in typed.refs] or state.jobs
        shown = self._shown(state, Phrases(state.language, "page"), jobs, choices)
        return Given(typed.choice, typed.name, typed.words, typed.refs, typed.seen, shown)

    def _wanted(self, request: Request, typed: Typed) -> str:
        """The language where we do not know whose link it is: the page's before, else what the browser asks for."""
        tags = [
            typed.language,
            *(tag.partition(";")[0] for tag in request.headers.get("Accept-Language", "").split(",")),
        ]
        known = (tag for tag in tags[:20] if tag.strip().lower().partition("-")[0] in LANGUAGES)
        return language_of(next(known, ""), self._replies.mail.language)

    # -- a page without a form -------------------------------------------------------------------------------------

    def _told(
        self, say: Phrases, what: str, status: int, *, title: str = "", told: Sequence[str] = (), after: str = "",
        said: Sequence[tuple[str, str]] = (), typed: Typed = NOTHING, token: str = "", of: str = "",
    ) -> Response:  # fmt: skip
        """A page that says what is, and what to do; with a token, what was typed can be sent once more.

        ``of`` is the token of a link that holds: how its jobs stand is a link further.
        """
        return self._show(
            "answer_told.html", status, say=say, head=say("page_title"), title=title or say(f"{what}_title"),
            told=told or [say(what)], next=after or say(f"{what}_next"), said=said, typed=typed,
            again=typed.fields if token and typed.key else [], action=self.action(token), mail_to=self._mail,
            stand=self._stand(of, say.language),
        )  # fmt: skip

    def _said(self, state: Asked, say: Phrases) -> list[tuple[str, str]]:
        """What this contact said last, and about which jobs."""
        said = state.said
        if said is None:
            return []
        choice = say(f"choice_{said.choice}")
        about = [job for job in state.jobs if job.own and job.own.at == said.at]
        facts = [
            (say("said_at"), self._common(say).moment(said.at)),
            *((say("detail_case"), f"{job.ref}: {one_line(job.job_name, 80)}") for job in about),
            (say("you_said"), choice),
            (say("you_wrote"), said.words if said.words != choice else ""),
            (say("name"), said.name),
        ]
        return [fact for fact in facts if fact[1]]

    # -- the form --------------------------------------------------------------------------------------------------

    def _form(
        self, token: str, state: Asked, say: Phrases, typed: Typed, wrong: Mapping[str, str], status: int
    ) -> Response:
        others = [job for job in state.jobs if job not in state.offered and job.standing is not LinkState.NO_CONTACT]
        said = {field: self._wrong(say, field, why, typed) for field, why in wrong.items()}
        return self._show(
            "answer.html", status, say=say, common=self._common(say), typed=typed, wrong=said,
            head=say("page_title_error" if said else "page_title"), first=_FIRST,
            shown=self._shown(state, say, state.offered, state.choices),
            before=self._before(state, say), said=self._said(state, say),
            others=[(one_line(job.job_name, 80), say(f"other_{job.standing}")) for job in others],
            ticked=typed.refs if typed is not NOTHING else tuple(job.ref for job in state.offered),
            action=self.action(token), seen=state.seen, key=form_key(self._replies.secret(), token, state.seen),
            stand=self._stand(token, say.language),
        )  # fmt: skip

    def _shown(self, state: Asked, say: Phrases, jobs: Sequence[JobAsked], choices: Sequence[Choice]) -> dict[str, Any]:
        """What the page says of these cases, and asks: the form is made of it, and the evidence tells it."""
        retailer, marketplace = one_line(state.retailer, 80), one_line(state.marketplace, 60)
        common = self._common(say)
        cause = cause_words(state.cause, say.language, marketplace or None)
        open_yet = any(job.settled_at is None for job in jobs)
        hint = "words_hint" if len(choices) > 1 else "words_hint_help"
        failed_at = common.moment(state.failed_at) if state.failed_at and len(jobs) == 1 else ""
        one = [(say("detail_case"), jobs[0].ref)]
        facts = [
            (common("detail_shop"), retailer), *(one if len(jobs) == 1 else []),
            (common("detail_marketplace"), marketplace), (common("detail_failed_at"), failed_at),
        ]  # fmt: skip
        return {
            "language": say.language,
            "title": cause["title"],
            "failed": f"{say.count('failed', len(jobs))} {_stopped(jobs, common)}".strip(),
            "facts": [fact for fact in facts if fact[1]],
            "details": _details(jobs, common),
            "wrong": cause["wrong"] if open_yet else [],
            "steps": cause["steps"] if open_yet else [],
            "jobs": {job.ref: one_line(job.job_name, 80) for job in jobs},
            "question": say("choice"),
            "choices": {str(choice): say(f"choice_{choice}") for choice in choices},
            "words_hint": say(hint, most=MOST_WORDS),
            "kept": say("kept", address=one_line(state.letter.to, 254), retailer=retailer),
        }

    def _common(self, say: Phrases) -> Phrases:
        """What the page says as our mail does, in the time that retailers read."""
        return Phrases(say.language, zone=self._replies.zone)

    def _before(self, state: Asked, say: Phrases) -> list[str]:
        """What was said and what became of it, above the rest."""
        moment, told = self._common(say).moment, []
        settled = [job for job in state.offered if job.settled_at is not None]
        if settled and settled[0].settled_at is not None:
            key = "before_removed" if settled[0].removed else "before_closed"
            told = [f"{say(key, when=moment(settled[0].settled_at))} {say('before_closed_help')}"]
        said, failed = state.said, any(job.failed_since for job in state.offered)
        if said is not None and failed:
            told.append(say("before_failed", when=moment(said.at)))
        elif said is not None and said.choice == Choice.HELP:
            told.append(say("before_help", when=moment(said.at)))
        return [*told, *self._colleagues(state, say)]

    def _colleagues(self, state: Asked, say: Phrases) -> list[str]:
        said = max((job.colleague for job in state.jobs if job.colleague), key=lambda one: one.at, default=None)
        if said is None:
            return []
        facts = {"retailer": one_line(state.retailer, 80), "when": self._common(say).moment(said.at)}
        if said.choice not in list(Choice):
            return [say("before_colleague", **facts)]
        return [say("before_colleague_choice", **facts, choice=say(f"choice_{said.choice}"))]

    def _wrong(self, say: Phrases, field: str, why: str, typed: Typed) -> str:
        if field == "form":
            return say("error_form")
        length = len(as_typed(typed.words))
        most = MOST_NAME if field == "name" else MOST_WORDS
        return say(f"error_{field}_{why}", most=most, length=length)

    def _stand(self, token: str, language: str) -> tuple[str, str] | None:
        """The link to how the jobs stand, and its words; None without a token."""
        return (f"{self.action(token)}/jobs", Phrases(language, "jobs")("link")) if token else None

    def _show(self, template: str, status: int, **what: Any) -> Response:
        return self._pages.show(template, status, PAGE_HEADERS, sender=self._sender, **what)


_FIRST = {"jobs": "job-1", "choice": f"choice-{Choice.CHANGED}", "name": "name", "words": "words", "form": "answer"}
"""The field that a mistake is corrected in first, by its id."""


def _details(jobs: Sequence[JobAsked], common: Phrases) -> list[tuple[str, str]]:
    """What says nothing to most retailers: the names of jobs, and what a system said."""
    named = [
        fact
        for job in jobs
        for fact in ((common("detail_job"), one_line(job.job_name, 80)), (common("detail_message"), job.message))
    ]
    return [fact for fact in named if fact[1]]


def _stopped(jobs: Sequence[JobAsked], common: Phrases) -> str:
    """J2, J3: whether what failed is stopped; nothing of what is settled."""
    stopped = sum(job.stopped for job in jobs)
    if any(job.settled_at for job in jobs):
        return ""
    if 0 < stopped < len(jobs):
        return common.count("stopped_some", stopped)
    return common.count("stopped" if stopped else "not_stopped", len(jobs))
