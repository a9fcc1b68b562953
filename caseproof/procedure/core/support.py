"""How a support case begins, whichever way it comes: what is wanted, as it is written down (E1, E2).

What enters is checked here: tidy names that can be kept, the client's words without secrets, the documents of the
product and the client's contract as the policy has them then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from caseproof.config.ladder import LadderPolicy
from caseproof.config.mail_address import tidied, unkeepable
from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event
from caseproof.domain.people import same_person
from caseproof.domain.substance import same_text, stands_in
from caseproof.domain.support import payloads as says
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.vocabulary import PRODUCT_UNKNOWN, Failing, Tier, Urgency
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import US, event_of
from caseproof.store import UnitOfWork

LONGEST_NAME = 200
"""How many characters a client's, a site's, a product's or a contract's name may have."""
LONGEST_SUMMARY = 300
LONGEST_WORDS = 20_000
"""How many of the client's words are written into the case; a mail is kept whole as its evidence."""


_LONGEST_REQUEST = 150
_MOST_ANSWERED = 50
"""Of so many mails that a mail says it answers it is looked whether they are of a case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportWanted:
    """What somebody wants a support case for. ``how`` is the way it came, for people.

    ``request`` is an identity of the way in, by which the same thing is known when it comes again (a mail's Message-ID,
    a form's number, a flow run); "": the client, the site, the product and the line tell it from others.
    """

    client: str
    summary: str
    said: str
    how: str
    product: str = ""
    urgency: str = str(Urgency.HINDERS)
    failing: str = str(Failing.NO)
    site: str = ""
    contract: str = ""
    sender: str = ""
    evidence: str = ""
    continues: str = ""
    request: str = ""
    message_id: str = ""
    unproven: str = ""


def people_of(policy: Policy) -> dict[Tier, tuple[str, ...]]:
    """Who is in each tier by the policy. Where it names nobody, the whole team is in each; where it names nobody of L1,
    the team is L1, and PT is development and the implementation team: no case stays where nobody can answer for it."""
    named = {tier: policy.ladder.in_tier(tier.name, policy.on_call) for tier in Tier}
    if not any(named.values()):
        return dict.fromkeys(Tier, policy.team)
    instead = {Tier.L1: policy.team, Tier.DEV: named[Tier.PT], Tier.IMPLEMENTATION: named[Tier.PT]}
    return {tier: members or instead.get(tier, ()) for tier, members in named.items()}


def key_of(wanted: SupportWanted) -> str:
    """By what this matter is told from others; of what is tidied already."""
    if wanted.request:
        known = wanted.request if len(wanted.request) <= _LONGEST_REQUEST else _digest(wanted.request)
        return f"request {known}"
    matter = [" ".join(one.split()).casefold() for one in (wanted.client, wanted.site, wanted.product, wanted.summary)]
    return f"matter {_digest(json.dumps(matter))[:32]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def tidy(wanted: SupportWanted) -> SupportWanted:
    """The same, as it can be kept. Raises BadInput for a name that cannot, or is too long."""
    names = {name: _name(getattr(wanted, name), name) for name in ("client", "site", "product", "contract")}
    said = redact(_kept(wanted.said).strip())
    summary = tidied(redact(_kept(wanted.summary))) or tidied(said)[:100]
    told = {one.name: getattr(wanted, one.name) for one in fields(wanted)} | names
    told["product"] = names["product"] or PRODUCT_UNKNOWN
    told["continues"] = tidied(wanted.continues)
    return SupportWanted(**told | {"summary": summary[:LONGEST_SUMMARY], "said": said[:LONGEST_WORDS]})


def _name(text: str, what: str) -> str:
    name = tidied(text)
    if len(name) > LONGEST_NAME or unkeepable(name):
        raise BadInput(
            f"The {what} {name[:60]!r} cannot be kept.", f"Write it anew, with at most {LONGEST_NAME} characters."
        )
    return redact(name)


def _kept(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def opening_events(
    ladder: LadderPolicy, contracts: Mapping[str, str], wanted: SupportWanted, at: datetime, by: str = US
) -> list[Event]:
    """What happens when this case is opened; ``wanted`` is tidied. ``contracts`` names each client's.

    Raises BadInput where something is missing, once the case is written.
    """
    known = next((name for client, name in contracts.items() if same_person(client, wanted.client)), "")
    optional = {
        "site": wanted.site, "contract": wanted.contract or known, "sender": wanted.sender,
        "evidence": wanted.evidence, "continues": wanted.continues, "message_id": wanted.message_id,
        "unproven": wanted.unproven,
    }  # fmt: skip
    told = {
        "key": key_of(wanted), "client": wanted.client, "product": wanted.product, "summary": wanted.summary,
        "said": wanted.said, "urgency": wanted.urgency, "failing": wanted.failing, "how": wanted.how,
        **{name: value for name, value in optional.items() if value},
    }  # fmt: skip
    return [event_of(Kind.OPENED, at, by, told), *documents_linked(ladder, wanted.product, at)]


def documents_linked(ladder: LadderPolicy, product: str, at: datetime) -> list[Event]:
    """That the policy's documents of the product are linked; nothing where it has none (E2)."""
    pages = [{"title": one.name, "address": one.address} for one in ladder.documents_of(product)]
    return [event_of(Kind.DOCUMENTS_LINKED, at, US, {"product": product, "documents": pages})] if pages else []


def write_opening(uow: UnitOfWork, events: Sequence[Event]) -> Case:
    """The case that these events begin. Raises AlreadyOpen, BadInput, NotAllowed."""
    case = uow.cases.create(events[0])
    return uow.cases.append(case, *events[1:]) if events[1:] else case


def product_in(ladder: LadderPolicy, text: str) -> str:
    """The product that these words name, as the policy spells it; "" where they name none, or several."""
    named = [name for name in ladder.documents if stands_in(name, text)]
    return named[0] if len(named) == 1 else ""


def mail_mark(message_id: str) -> str:
    """Under which name it is noted of which support case a mail is."""
    return f"support-mail/{_digest(message_id.strip().strip('<>'))}"


def note_mail(uow: UnitOfWork, message_id: str, ref: str, at: datetime) -> None:
    """That this mail is of this case: what answers it joins the case."""
    if message_id:
        uow.cursors.set(mail_mark(message_id), ref, at)


def case_of_mail(uow: UnitOfWork, message_ids: Sequence[str]) -> str | None:
    """The support case that the first known of these mails is of; None for none."""
    for one in message_ids[:_MOST_ANSWERED]:
        noted = uow.cursors.get(mail_mark(one)) if one else None
        if noted is not None:
            return noted[0]
    return None


def has_words(case: Case, words: str) -> bool:
    """Whether the client's words stand in the case already."""
    told: list[Any] = [case.facts.get("said"), *(fact["words"] for fact in case.all_of(says.ClientWrote))]
    return any(same_text(words, one) for one in told)
