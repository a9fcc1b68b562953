"""E5, E12: the ticket for the development team, with the change that PT states and all that a developer would ask for:
what was tried, with its outcome, what was consulted and seen, and the history."""

from __future__ import annotations

from collections.abc import Callable

from caseproof.desks.base import Desk, DeskError, TicketStatus
from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.emergency import payloads as emergency
from caseproof.domain.support import payloads as says
from caseproof.domain.support.efforts import documents, items, linked_addresses, outcomes
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.owing import answer_key, development_answers, without_ticket
from caseproof.domain.support.vocabulary import TIER_NAMES, Tier
from caseproof.procedure.closing.ticket import same_file
from caseproof.procedure.core.idempotent_effect import Json, idempotent_effect
from caseproof.procedure.core.parts import Effects, EvidenceFiles, Ledger, Links
from caseproof.procedure.core.sentences import whole_sentence
from caseproof.procedure.core.texts import in_ticket, link, own_line, plain, quoted_in_ticket, short

_LONGEST = 4000
"""How many characters of the client's words the ticket shows; its attachment has all of them."""


def ensure_development_tickets(
    ledger: Ledger, effects: Effects, files: EvidenceFiles, links: Links, desk: Desk, ref: str, *, desk_name: str
) -> Case:
    """Ensure that each change that PT asked for has its ticket with the whole bundle, read back, and that its number is
    in the case. One that PT raised itself is taken, and gets the bundle. Raises DeskError, UnknownTicket."""
    case = ledger.case(ref)
    for fact in without_ticket(case):
        case = _raise(ledger, effects, files, links, desk, case, fact, desk_name)
    return case


def _raise(
    ledger: Ledger, effects: Effects, files: EvidenceFiles, links: Links, desk: Desk, case: Case,
    fact: FactOf[says.DevelopmentRaised], desk_name: str,
) -> Case:  # fmt: skip
    name = f"{case.ref}-development-{fact.seq}.md"
    kept = files.keep(case.ref, bundle(links, case, fact).encode(), name, "text/markdown")
    key = f"{case.ref}/development/{fact.seq}"
    adopted = str(fact.data.get("ticket") or "").strip()

    def read_back(plan: Json) -> Json | None:
        ticket = desk.ticket(adopted) if adopted else desk.find(key)
        content = files.vault.read(plan["evidence"])
        if ticket is None or not any(same_file(one, name, content) for one in desk.attachments(ticket.id)):
            return None
        return {"ticket": ticket.id, "evidence": plan["evidence"], **({"url": ticket.url} if ticket.url else {})}

    def effect(plan: Json) -> None:
        if adopted:
            ticket = desk.ticket(adopted)
            desk.comment(ticket.id, key, body_of(links, case, fact))
        else:
            ticket = desk.create(key, subject_of(case, fact), body_of(links, case, fact))
        desk.attach(ticket.id, name, files.vault.read(plan["evidence"]), "text/markdown")

    found = idempotent_effect(
        effects, case.ref, "development ticket", key, plan={"evidence": kept}, effect=effect, read_back=read_back
    )
    said = {"raised": fact.seq, "desk": desk_name, "adopted": bool(adopted), **found}
    event = ledger.event(Kind.DEVELOPMENT_TICKET, **said)
    return ledger.change(case.ref, lambda now: [event] if fact.seq in [one.seq for one in without_ticket(now)] else [])


def hear_development(ledger: Ledger, desk_named: Callable[[str], Desk], ref: str) -> Case:
    """Write down that development closed its ticket on its desk, once: PT looks at what was done. Raises DeskError."""
    case = ledger.case(ref)
    for fact in tickets_waited_for(case):
        desk = desk_named(fact.data["desk"])  # the policy may name another by now, where the number is somebody else's
        if desk.ticket(fact.data["ticket"]).status is not TicketStatus.CLOSED:
            continue
        event = ledger.event(Kind.DEVELOPMENT_ANSWERED, raised=fact.data["raised"], ticket=fact.data["ticket"])
        case = ledger.change(ref, lambda now, one=fact, it=event: [it] if _waits(now, one) else [])  # type: ignore[misc]
    return case


def tickets_waited_for(case: Case) -> list[FactOf[says.DevelopmentTicket]]:
    """The tickets of which the case waits to hear that they are closed."""
    return [fact for fact in case.all_of(says.DevelopmentTicket) if _waits(case, fact)]


def _waits(case: Case, fact: FactOf[says.DevelopmentTicket]) -> bool:
    if case.state is not State.WITH_DEVELOPMENT:
        return False
    raised = fact.data["raised"]
    heard = any(one.data["raised"] == raised for one in case.all_of(says.DevelopmentAnswered))
    return not heard and raised == max(one.seq for one in case.all_of(says.DevelopmentRaised))


def tell_development(effects: Effects, links: Links, desk_named: Callable[[str], Desk], case: Case) -> None:
    """Ensure that development's ticket says what became of its answer: that PT has it, and in which words it came back.

    Raises DeskError.
    """
    for of, fact in development_answers(case):
        desk, ticket = of.data["desk"], of.data["ticket"]
        key = answer_key(case, fact)
        text = (
            f"{in_ticket(fact.actor)} gave it back to PT: {in_ticket(fact.data['result'])}\n{links.case_url(case.ref)}"
        )

        def comment(_: Json, desk: str = desk, ticket: str = ticket, key: str = key, text: str = text) -> Json:
            desk_named(desk).comment(ticket, key, text)
            return {"ticket": ticket}

        idempotent_effect(
            effects, case.ref, "development note", key, plan={}, effect=comment, read_back=None, harmless=(DeskError,)
        )


# -- the words ------------------------------------------------------------------------------------------------------


def subject_of(case: Case, fact: FactOf[says.DevelopmentRaised]) -> str:
    """The ticket's subject."""
    return f"[{case.ref}] {in_ticket(fact.data['where'])}: {in_ticket(short(fact.data['change'], 120))}"


def body_of(links: Links, case: Case, fact: FactOf[says.DevelopmentRaised]) -> str:
    """What the ticket itself says: the change, when it is done, what was tried, and where all of it is."""
    said, facts = fact.data, case.facts
    named = {"Client": facts["client"], "Site": facts.get("site"), "Product": facts["product"]}
    lines = [
        f"Where: {in_ticket(said['where'])}",
        f"The change: {in_ticket(said['change'])}",
        f"Done when: {in_ticket(said['accepted_when'])}",
        f"Asked for by {in_ticket(fact.actor)} (PT), {fact.at:%Y-%m-%d %H:%M} UTC.",
        "",
        *(f"{name}: {in_ticket(value)}" for name, value in named.items() if value),
        "",
        "What the client said:",
        "",
        quoted_in_ticket(short(facts["said"], _LONGEST)),
        "",
        "What was tried, and what came of it:",
        *(f"- {in_ticket(one, linked_addresses(case))}" for one in tried(case)),
    ]
    lines += ["", *(f"Consulted: {in_ticket(one['title'])}, {one['address']}" for one in documents(case))]
    lines += [f"Seen: {in_ticket(found)} {url}" for found, url in seen(links, case)]
    lines += [f"The ticket of support: {case.ticket.data['ticket']}"] if case.ticket else []
    return "\n".join([*lines, "The attached file has the whole history.", f"Case: {links.case_url(case.ref)}"])


def tried(case: Case) -> list[str]:
    """Each step and each of PT's suggestions with what came of it, oldest first, in a sentence each."""
    lines: list[tuple[int, str]] = []
    for fact in case.all_of(says.Tried):
        out_of = f" (out of {fact.data['document']})" if fact.data["document"] else ""
        said = f"{fact.data['tier']} tried: {fact.data['step']}{out_of}: {fact.data['outcome']}; {fact.data['seen']}"
        lines.append((fact.seq, said))
    told = outcomes(case)
    for item in items(case):
        came = told.get(item.key)
        what = "asked" if item.is_question else "suggested"
        if came is None:
            lines.append((int(item.key.partition(".")[0]), f"PT {what}: {item.words}: nobody has said what came of it"))
            continue
        said = f"PT {what}: {item.words}. L2: {came.data['step']}: {came.data['outcome']}; {came.data['seen']}"
        lines.append((came.seq, said))
    return [line for _, line in sorted(lines)]


def seen(links: Links, case: Case) -> list[tuple[str, str]]:
    """What the probes of the site saw, and where each file of evidence is."""
    probes = [(f"the site was looked at: {one.data['found']}", one.data["evidence"])
              for one in case.all_of(emergency.ProbeLooked)]  # fmt: skip
    probes += [("the timeline of the emergency", one.data["evidence"]) for one in case.all_of(emergency.ReviewKept)]
    mails = [(f"{one.data['sender']} wrote", one.data["evidence"]) for one in case.all_of(says.ClientWrote)]
    if case.opened is not None and case.opened.get("evidence"):
        mails.insert(0, ("what the client wrote", str(case.opened["evidence"])))
    return [(words, links.evidence_url(digest)) for words, digest in (*mails, *probes) if digest]


def bundle(links: Links, case: Case, fact: FactOf[says.DevelopmentRaised]) -> str:
    """All of it as markdown: what the ticket says, and every event of the case up to what PT asked for."""
    said, facts = fact.data, case.facts
    named = ("client", "site", "product", "contract", "urgency")
    parts = [
        f"# {case.ref}: {plain(facts['summary'])}",
        "\n".join(
            [
                "## The change",
                "",
                f"* Where: {plain(said['where'])}",
                f"* What: {plain(said['change'])}",
                f"* Done when: {plain(said['accepted_when'])}",
                f"* Asked for by {plain(fact.actor)} of {TIER_NAMES[Tier.PT]}, {fact.at:%Y-%m-%d %H:%M} UTC",
                f"* The case: {links.case_url(case.ref)}",
            ]
        ),
        "\n".join(["## Whose it is", "", *(f"* {n.capitalize()}: {plain(facts[n])}" for n in named if facts.get(n))]),
        "## What the client said\n\n" + "\n".join(f"> {own_line(line)}" for line in str(facts["said"]).splitlines()),
        _listed("What was tried, and what came of it", [plain(one) for one in tried(case)]),
        _listed("Consulted", [link(one["title"], one["address"]) for one in documents(case)]),
        _listed("Evidence", [f"{plain(words)}: {url}" for words, url in seen(links, case)]),
        _listed("The history", [_event(one) for one in history(case, fact.seq)]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def history(case: Case, until: int) -> list[Fact]:
    """What happened up to this event, oldest first, without what is no news."""
    events = enumerate(case.events[:until], 1)
    return [FactOf(seq, event) for seq, event in events if event.kind.spec.news]


def _event(fact: Fact) -> str:
    return f"{fact.at:%Y-%m-%d %H:%M:%S} UTC, {plain(fact.actor)}: {plain(whole_sentence(fact.event))}"


def _listed(title: str, lines: list[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"* {line}" for line in lines)]) if lines else ""
