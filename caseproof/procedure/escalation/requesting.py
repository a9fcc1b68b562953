"""Every request on the ladder, whichever way it comes: a form in Prefect, a page or a command (E1 to E6).

Who acts for a tier is in it by the policy. Nothing of what a form could say of another case is believed: the case or
the mail that names a technician is read from the store, here, and what was read is kept as evidence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput, NotAllowed, NotOnTheTeam
from caseproof.domain.events import Event
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.people import folded, same_person
from caseproof.domain.substance import is_one_of
from caseproof.domain.support.answers import asks_for
from caseproof.domain.support.choices import Beside, Finishes
from caseproof.domain.support.conditions import a_job_fails, linked_jobs
from caseproof.domain.support.efforts import documents
from caseproof.domain.support.forms import About, Finish, SupportForm, tiers_answering, tiers_choosing
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.ladder import refuse_nobody, refuse_stranger, require_tier
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.support.steps import LADDER, Request
from caseproof.domain.support.vocabulary import Failing, Tier, Told, Wanted
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import EvidenceFiles, Ledger, event_of
from caseproof.procedure.core.support import SupportWanted, documents_linked, people_of, tidy
from caseproof.procedure.escalation.holding import follow
from caseproof.procedure.escalation.naming import read_there
from caseproof.procedure.escalation.opening import link_job
from caseproof.procedure.escalation.questions import is_done, numbered
from caseproof.procedure.escalation.telling import note_told, want_mail
from caseproof.procedure.escalation.unlinking import unlink_job

LONGEST = 20_000
"""How many characters of a text are written down."""
_AS_TYPED = frozenset({"tier", "document", "ref", "evidence", "of", "ticket", "technician", "way", "naming"})
"""What is compared with something that is known: redaction must not change it."""
_OURS = frozenset({"question", "known_by", "there_client", "there_product", "there_names"})
"""What nobody says of themselves: it is read here, or known otherwise."""


def make_request(
    ledger: Ledger,
    files: EvidenceFiles,
    policy: Policy,
    ref: str,
    request: Request,
    said: Mapping[str, Any],
    by: str,
    question: int | None = None,
) -> Case:
    """Make a request of the ladder in the name of ``by``; ``said`` is what it brings, by the names of its event.

    ``question`` is the number of the question that it answers, if it does. Sent twice, it is made once. Raises
    NotOnTheTeam for who is not in the tier, NotAllowed with each thing that is missing and the next action, BadInput,
    UnknownCase.
    """
    case, kind = _support_case(ledger, ref), Kind(str(request))
    people = people_of(policy)
    names = (kind.spec.says.__required_keys__ | kind.spec.says.__optional_keys__) - _OURS
    brought = {name: _tidy(name, value) for name, value in said.items() if name in names}
    if LADDER[request].by_anybody and "tier" in names:  # what an event does not say, no proof may say
        brought |= {"tier": _tier_of(by, people)}
    event = event_of(kind, ledger.clock(), by.strip() or "nobody", brought)
    refuse_stranger(event, people)  # before anything is read for them
    refuse_nobody(request, people)
    actor = _spelled(event, policy, people)
    brought = read_there(ledger, files, case, kind, brought, people) | numbered(question)
    event = event_of(kind, event.at, actor, brought)
    more = documents_linked(policy.ladder, str(case.facts["product"]), event.at)

    def decide(now: Case) -> Sequence[Event]:
        return [] if is_done(now, event, question) else [event, *(more if _needs_documents(now, event) else [])]

    after = ledger.change(case.ref, decide)
    follow(ledger, case, after, actor)
    return after


def answer_form(
    ledger: Ledger, files: EvidenceFiles, policy: Policy, ref: str, form: SupportForm, question: int | None = None
) -> Case:
    """Do what an answered form asks for, in the name of who answered it. Raises as ``make_request`` does."""
    if isinstance(form, About):
        return say_about(ledger, policy, ref, form, question)
    if isinstance(form, Finish):
        return _finish(ledger, files, policy, ref, form, question)
    request, said = asks_for(form)
    tier = _acts_as(form.answered_by, tiers_choosing(form), people_of(policy))
    return make_request(ledger, files, policy, ref, request, said | {"tier": str(tier)}, form.answered_by, question)


def want_details(
    ledger: Ledger, files: EvidenceFiles, policy: Policy, ref: str, wants: str, wanted: str, by: str
) -> Case:
    """E6: a technician of L2 or PT asks for details, or for a call, whoever has the case; the answer goes back to them.

    Raises NotOnTheTeam for who is in neither tier, else as ``make_request`` does.
    """
    people = people_of(policy)
    tier = next((one for one in (Tier.L2, Tier.PT) if any(same_person(by, name) for name in people[one])), None)
    if tier is None:
        known = dict.fromkeys(name for one in (Tier.L2, Tier.PT) for name in people[one])
        raise NotOnTheTeam(
            f"E6: {by.strip() or 'nobody'} is in neither L2 nor PT.",
            f"Let one of {', '.join(known)} ask." if known else "Name their people under `ladder` in policy.yaml.",
        )
    said = {"tier": str(tier), "wants": wants, "wanted": wanted}
    return make_request(ledger, files, policy, ref, Request.WANT_DETAILS, said, by)


def say_beside(
    ledger: Ledger, files: EvidenceFiles, policy: Policy, ref: str, what: Beside, words: str, by: str
) -> Case:
    """Do what somebody says in a case whichever tier has to act. Raises as ``make_request`` does."""
    parts = ledger, files, policy, ref
    match what:
        case Beside.WANT_DETAILS | Beside.WANT_CALL:
            wants = Wanted.DETAILS if what is Beside.WANT_DETAILS else Wanted.CALL
            return want_details(*parts, wants, words, by)
        case Beside.SUGGEST | Beside.QUESTION:
            lines = [line.strip() for line in words.splitlines() if line.strip()]
            both = (lines, []) if what is Beside.SUGGEST else ([], lines)
            said = {"tier": str(Tier.PT), **dict(zip(("suggestions", "questions"), both, strict=True))}
            return make_request(*parts, Request.ANSWER_L2, said, by)
        case Beside.NO_SOLUTION:
            return make_request(*parts, Request.TAKE_SOLUTION_BACK, {"why": words}, by)
        case Beside.UNLINK:
            job = _job_named(_support_case(ledger, ref), words)
            return answer_form(*parts, Finish(answered_by=by, what=Finishes.UNLINK, job=job, why=words))
        case _:
            return make_request(*parts, Request.REOPEN, {"why": words}, by)


_JOB_REF = re.compile(rf"\b{JOB_FAILURE.prefix}-[0-9]+", re.IGNORECASE | re.ASCII)


def _job_named(case: Case, words: str) -> str:
    """The linked case that these words name; where they name none and one alone is linked, that. Raises BadInput."""
    linked = linked_jobs(case)
    said = {ref.upper() for ref in _JOB_REF.findall(words)}
    named = [ref for ref in linked if ref in said] if said else linked
    if len(named) != 1 or said - set(named):
        told = f"Name one of {', '.join(linked)} in the words." if linked else "No job's case is linked."
        raise BadInput("It is not said which job's case was linked by mistake.", told)
    return named[0]


def say_about(ledger: Ledger, policy: Policy, ref: str, form: About, question: int | None = None) -> Case:
    """Write down which client and which product it is about; L2 is shown that product's documents from then on."""
    case = _support_case(ledger, ref)
    by = _of_the_case(case, type(form), form.answered_by, policy)
    told = tidy(
        SupportWanted(
            client=form.client, product=form.product, site=form.site or str(case.facts.get("site") or ""),
            contract=form.contract, summary="as it is", said="as it was", how="",
        )
    )  # fmt: skip
    contract = told.contract or next((c for name, c in policy.clients.items() if same_person(name, told.client)), "")
    said = {
        "client": told.client, "product": told.product, "site": told.site, "contract": contract,
        "failing": str(form.failing),
    }  # fmt: skip
    event = event_of(Kind.FACTS_CORRECTED, ledger.clock(), by, said | numbered(question))
    more = documents_linked(policy.ladder, told.product, event.at)

    def decide(now: Case) -> Sequence[Event]:
        same = question is None and all((now.facts.get(name) or "") == value for name, value in said.items())
        same = same and a_job_fails(now) is (form.failing is not Failing.NO)
        return [] if same or is_done(now, event, question) else [event, *([] if _has_linked(now, more) else more)]

    after = ledger.change(case.ref, decide)
    follow(ledger, case, after, by)
    return after


# -- who ----------------------------------------------------------------------------------------------------------


def _support_case(ledger: Ledger, ref: str) -> Case:
    case = ledger.case(ref)
    if case.procedure is not SUPPORT:
        raise BadInput(f"{case.ref} is no support case.", "Name a support case, like SC-000001.")
    return case


def _spelled(event: Event, policy: Policy, people: Mapping[Tier, Collection[str]]) -> str:
    """Who makes the request, as the policy spells it. What anybody may say is said by somebody who is known."""
    tier = event.data.get("tier")
    if not LADDER[Request(str(event.kind))].by_anybody and is_one_of(tier, Tier):
        return require_tier(event.actor, Tier(str(tier)), people)
    return require_member(event.actor, everybody(policy))


def _acts_as(name: str, tiers: Sequence[Tier], people: Mapping[Tier, Collection[str]]) -> Tier:
    """The first of these tiers in which they are; for a stranger the first in which there is somebody."""
    for tier in tiers:
        if any(same_person(name, member) for member in people[tier]):
            return tier
    return next((tier for tier in tiers if people[tier]), tiers[0])


def everybody(policy: Policy) -> tuple[str, ...]:
    """The team, and whoever is in a tier; each once."""
    names = [*policy.team, *(name for members in people_of(policy).values() for name in members)]
    return tuple({folded(name): name for name in reversed(names)}.values())[::-1]


def _of_the_case(case: Case, form: type[SupportForm], name: str, policy: Policy) -> str:
    """Who answers a form that is of no tier of its own: somebody of the tier that owns the case."""
    if case.is_closed:
        raise NotAllowed(f"{case.ref} is closed.", "Open it again first, and say why.")
    people = people_of(policy)
    members = [member for tier in tiers_answering(case, form) for member in people[tier]]
    return require_member(name, members or policy.team)


# -- what is brought ----------------------------------------------------------------------------------------------


def _tidy(name: str, value: Any) -> Any:
    """People paste from logs: no secret of theirs is written down."""
    if isinstance(value, list):
        return [_tidy(name, one) for one in value]
    if not isinstance(value, str):
        raise BadInput(f"The {name} is no text.", "Write it in words.")
    text = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode().strip()[:LONGEST]
    return text if name in _AS_TYPED else redact(text)


def _tier_of(name: str, people: Mapping[Tier, Collection[str]]) -> str:
    """The first tier that somebody is in, "" for none."""
    return next((str(tier) for tier in Tier if any(same_person(name, one) for one in people.get(tier, ()))), "")


def _needs_documents(case: Case, event: Event) -> bool:
    """Whether the policy's documents are to be linked now: in a new opening, and where L2 has none to work with."""
    return event.kind is Kind.REOPENED or (event.kind.spec.target is not None and not documents(case))


def _has_linked(case: Case, more: Sequence[Event]) -> bool:
    return bool(more) and list(documents(case)) == more[0].data["documents"]


# -- the last steps -----------------------------------------------------------------------------------------------


def _finish(ledger: Ledger, files: EvidenceFiles, policy: Policy, ref: str, form: Finish, question: int | None) -> Case:
    case = _support_case(ledger, ref)
    by = _of_the_case(case, type(form), form.answered_by, policy)
    match form.what:
        case Finishes.MAIL:
            return want_mail(ledger, case.ref, to=form.to, words=redact(form.words), by=by, question=question)
        case Finishes.TELEPHONE | Finishes.TICKET:
            how = Told.TELEPHONE if form.what is Finishes.TELEPHONE else Told.TICKET
            return note_told(ledger, case.ref, how, to=form.to, words=redact(form.words), by=by, question=question)
        case Finishes.LINK:
            return link_job(ledger, case.ref, form.job, by, question)
        case Finishes.UNLINK:
            return unlink_job(ledger, case.ref, form.job, form.why, by, question)
        case Finishes.NO_JOB:
            about = About(
                answered_by=form.answered_by, failing=Failing.NO, client=str(case.facts["client"]),
                product=str(case.facts["product"]), contract=str(case.facts.get("contract") or ""),
            )  # fmt: skip
            return say_about(ledger, policy, ref, about, question)
        case _:
            return make_request(ledger, files, policy, ref, Request.TAKE_SOLUTION_BACK, {"why": form.why}, by, question)
