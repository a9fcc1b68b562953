"""What a personal link shows, and what its button does. Opening it only reads: scanners open every link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from caseproof.config.clock import Clock
from caseproof.domain.emergency.due import PagingRules
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.vocabulary import Via
from caseproof.domain.people import same_person
from caseproof.evidence.page_links import PageLink, page_token, read_page_token
from caseproof.procedure.paging.answering import Acknowledged, Answer, acknowledge, refuse_another
from caseproof.procedure.paging.raising import standing
from caseproof.procedure.paging.words import problem
from caseproof.store import Store

LINK_HOLDS = timedelta(days=1)
"""How long a personal link holds: longer than any shift, and every later mail of the same emergency has a new one."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What links are signed with, and what they were signed with before."""

    secret: bytes
    void: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands on a link's page. ``holder`` is who has it, "" for nobody; ``button`` is whether there is one."""

    ref: str
    person: str
    problem: str
    holder: str
    over: str
    button: bool


def link_for(keys: Keys, public: str, ref: str, emergency: int, person: str, now: datetime) -> str:
    """A person's own link; ``public`` is what addresses start with."""
    return f"{public}/page/{page_token(keys.secret, PageLink(ref, emergency, person, now + LINK_HOLDS))}"


def see(store: Store, clock: Clock, keys: Keys, token: str) -> Shown:
    """What the link shows now. Changes nothing. Raises BadLink, LinkExpired, NotAllowed for an earlier emergency."""
    link, paging = _read(store, clock, keys, token)
    holder = paging.holder(clock())
    return Shown(
        ref=link.ref,
        person=link.person,
        problem=problem(paging),
        holder=holder.by if holder else "",
        over=paging.over_why,
        button=not paging.over and (holder is None or not same_person(holder.by, link.person)),
    )


def take(
    store: Store, clock: Clock, keys: Keys, token: str, rules: PagingRules, shift_ends: datetime | None
) -> Acknowledged:
    """What the button does: whoever the link is of has it, or is told who does. ``shift_ends`` is that person's.

    Raises as ``see``, and NotAllowed where it is over.
    """
    link, _ = _read(store, clock, keys, token)
    answer = Answer(link.emergency, link.person, Via.LINK, shift_ends=shift_ends)
    return acknowledge(store, clock, rules, link.ref, answer)


def _read(store: Store, clock: Clock, keys: Keys, token: str) -> tuple[PageLink, Paging]:
    link = read_page_token(keys.secret, token, clock(), keys.void)
    paging = standing(store.case(link.ref))
    refuse_another(paging, link.emergency)
    return link, paging
