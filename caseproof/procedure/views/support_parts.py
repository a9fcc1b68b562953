"""A support case in markdown: the parts of its card, and what stands above its forms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from caseproof.domain.case import Case
from caseproof.domain.specs import Role
from caseproof.domain.support.efforts import mails_of, wanted_by
from caseproof.domain.support.forms import About, Finish, SupportForm, tiers_answering
from caseproof.domain.support.vocabulary import TIER_NAMES
from caseproof.procedure.core.sentences import whole_sentence
from caseproof.procedure.core.texts import link, plain, short
from caseproof.procedure.views.support import Effort, NextTier, SupportView, next_step, support_view

LONGEST_WORDS = 1500
"""How many characters of what a client said a form shows; the case page shows all of it."""
MOST_EVENTS = 15
"""How much of what happened a form shows."""
MOST_EFFORTS = 20
"""How many of what was tried a form shows, the newest; the case page shows all of it."""


def card_parts(case: Case) -> Iterator[str]:
    """What the card says of the case beside what it says of every case."""
    view = support_view(case)
    yield f"**The client said:**\n\n{_quoted(view.said)}"
    yield _facts(view)
    yield from (_next_tier(one) for one in view.next_tiers)
    yield _efforts(view.efforts, "What was tried")
    yield _lines(view.open_items)
    yield _documents(view)


def above_form(case: Case) -> Iterator[str]:
    """What stands above a form in Prefect: all that whoever answers has to know."""
    view = support_view(case)
    yield f"**{plain(view.owner)}** has it; **{plain(view.acts)}** acts. {plain(next_step(case))}"
    yield f"The client said:\n\n{_quoted(view.said)}"
    yield from (f"They wrote since:\n\n{_quoted(str(one['words']))}" for one in view.wrote[-1:])
    yield _efforts(view.efforts[-MOST_EFFORTS:], "What was tried")
    yield from above_form_on_page(case)
    yield _documents(view)
    yield _history(case)


def above_form_on_page(case: Case) -> Iterator[str]:
    """The same where the page says by itself what the case is about and what was tried."""
    view = support_view(case)
    yield _lines(view.open_items)
    yield _who_asked(case)
    yield from (_next_tier(one) for one in view.next_tiers)
    yield _mails(case)


def _who_asked(case: Case) -> str:
    """The technicians who wait for an answer, each with what they asked for (E6)."""
    asked = [(tier, case.events[number - 1]) for tier, number in wanted_by(case).values()]
    lines = [
        f"* {plain(one.actor)} ({tier}), {plain(str(one.data['wants']))}: {plain(short(str(one.data['wanted'])))}"
        for tier, one in asked
    ]
    return "\n".join(["**Technicians who wait for an answer** (E6):", "", *lines]) if lines else ""


def _mails(case: Case) -> str:
    """The mails of the case by what a form names them by, as one may name a technician (E6)."""
    lines = [
        f"* `{mail.file[:12]}` from {plain(mail.sender or 'nobody named')}"
        f"{': it names nobody, for it may be of another' if mail.unproven else ''}"
        for mail in mails_of(case)
    ]
    return "\n".join(["**Mails in this case**, by their files (E6):", "", *lines]) if lines else ""


def who_may_answer(case: Case, form: type[SupportForm], names: Sequence[str]) -> str:
    """Whose form it is, and who is there by the policy: said before anybody fills it in."""
    tiers = " or ".join(TIER_NAMES[tier] for tier in tiers_answering(case, form))
    return f"This form is for **{plain(tiers)}**: {plain(', '.join(names))}."


def what_to_do(case: Case, form: type[SupportForm]) -> str:
    """What is asked with a form of a support case."""
    who = " or ".join(TIER_NAMES[tier] for tier in tiers_answering(case, form))
    asks = {
        About: "say which client and which product it is about (E1, E2)",
        Finish: "say how the client was told, or which case proves that a job runs again (J5, J10)",
    }.get(form, "say what is next")
    return (
        f"**Now {asks}: {plain(who)}.** What a choice needs is said with each field; where something is missing, the "
        "answer is refused with the rule and what to do, and nothing you typed is lost."
    )


def _history(case: Case) -> str:
    """What happened lately, the newest last; the case page shows all of it."""
    told = [event for event in case.events if event.kind.spec.news and event.kind.spec.role is not Role.ANSWERS]
    lines = [
        f"* {event.at:%Y-%m-%d %H:%M} UTC, {plain(event.actor)}: {plain(short(whole_sentence(event)))}"
        for event in told[-MOST_EVENTS:]
    ]
    older = f" (of {len(told)}, the newest last)" if len(told) > MOST_EVENTS else ""
    return "\n".join([f"**What happened**{older}:", "", *lines])


def _facts(view: SupportView) -> str:
    rows = (("Who has it", view.owner), ("Who acts", view.acts), *view.facts)
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {plain(value)} |" for name, value in rows)])


def _quoted(said: str) -> str:
    more = " …" if len(said) > LONGEST_WORDS else ""
    lines = (said[:LONGEST_WORDS] + more).splitlines()
    return "\n".join(f"> {plain(line)}" for line in lines) or "> (no words)"


def _efforts(found: Sequence[Effort], title: str) -> str:
    if not found:
        return f"**{title}:** nothing yet."
    lines = [f"* {plain(one.tier)}, {plain(one.by)}: {_effort(one)}" for one in found]
    return "\n".join([f"**{title}:**", "", *lines])


def _effort(one: Effort) -> str:
    out_of = f" (out of {plain(one.document)})" if one.document else ""
    key = f"{one.key} " if one.key else ""
    return f"{key}{plain(short(one.what).rstrip('.'))}{out_of}: **{plain(one.outcome)}**. {plain(short(one.seen))}"


def _lines(found: Sequence[Effort]) -> str:
    """PT's lines of which nobody has said yet what came of them."""
    if not found:
        return ""
    lines = [f"* **{one.key}** {plain(short(one.what))}" for one in found]
    return "\n".join(["**PT's lines without an outcome**, by their numbers (E3):", "", *lines])


def _next_tier(one: NextTier) -> str:
    if not one.blockers:
        return f"**{plain(one.name[:1].upper() + one.name[1:])}** may have it: nothing is missing."
    lines = [f"* {each.rule}: {plain(each.missing)} {plain(each.next_action)}" for each in one.blockers]
    return "\n".join([f"**Before {plain(one.name)} may have it:**", "", *lines])


def _documents(view: SupportView) -> str:
    if not view.documents:
        return ""
    lines = [f"* {link(str(one['title']), str(one['address']))}: {plain(one['address'])}" for one in view.documents]
    return "\n".join(["**Documents to consult** (E2):", "", *lines])
