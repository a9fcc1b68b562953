"""What a personal link shows, and what its button does. Opening it only reads: scanners open every link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from caseproof.config.clock import Clock
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.due import PagingRules
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.vocabulary import Via
from caseproof.domain.people import same_person
from caseproof.evidence.page_links import PageLink, page_token, read_page_token
from caseproof.procedure.paging.answering import (
    Acknowledged,
    Answer,
    acknowledge,
    call_whole_team,
    cannot,
    give_back,
)
from caseproof.procedure.paging.raising import refuse_another, standing
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
    """What stands on a link's page. ``holder`` is who has it, "" for nobody; ``button`` is whether there is one.

    ``until`` is how long they have it (aware), None for nobody, and ``mine`` whether the holder is whose link it is.
    ``whole_team`` is whether everybody is called at once, ``said`` what was said when it was raised, by whom.
    """

    ref: str
    person: str
    problem: str
    holder: str
    over: str
    button: bool
    until: datetime | None
    mine: bool
    whole_team: bool
    said: says.EmergencyRaised
    raised_by: str


def link_for(keys: Keys, public: str, ref: str, emergency: int, person: str, now: datetime) -> str:
    """A person's own link; ``public`` is what addresses start with."""
    return f"{public}/page/{page_token(keys.secret, PageLink(ref, emergency, person, now + LINK_HOLDS))}"


def see(store: Store, clock: Clock, keys: Keys, token: str) -> Shown:
    """What the link shows now. Changes nothing. Raises BadLink, LinkExpired, NotAllowed for an earlier emergency."""
    link, paging = _read(store, clock, keys, token)
    holder = paging.holder(clock())
    mine = holder is not None and same_person(holder.by, link.person)
    return Shown(
        ref=link.ref,
        person=link.person,
        problem=problem(paging),
        holder=holder.by if holder else "",
        over=paging.over_why,
        button=not paging.over and not mine,
        until=holder.until if holder else None,
        mine=mine,
        whole_team=paging.whole_team,
        said=paging.raised.data,
        raised_by=paging.raised.actor,
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


def decline(store: Store, clock: Clock, keys: Keys, token: str) -> None:
    """Whoever the link is of cannot: the next one is called at once. Raises as ``see``, and NotAllowed where they have
    it: then they give it back."""
    link, _ = _read(store, clock, keys, token)
    cannot(store, clock, link.ref, link.emergency, link.person)


def call_everybody(store: Store, clock: Clock, keys: Keys, token: str) -> None:
    """It needs the whole team. Raises as ``see``, and NotAllowed where it is over."""
    link, _ = _read(store, clock, keys, token)
    call_whole_team(
        store, clock, link.ref, link.person, f"{link.person} said so by their own link", emergency=link.emergency
    )


def return_it(store: Store, clock: Clock, keys: Keys, token: str) -> None:
    """Whoever the link is of gives it back, and calling begins again. Raises as ``see``, and as ``give_back``."""
    link, _ = _read(store, clock, keys, token)
    give_back(store, clock, link.ref, link.person, "", emergency=link.emergency)


def _read(store: Store, clock: Clock, keys: Keys, token: str) -> tuple[PageLink, Paging]:
    link = read_page_token(keys.secret, token, clock(), keys.void)
    paging = standing(store.case(link.ref))
    refuse_another(paging, link.emergency)
    return link, paging
