"""What people answer to a test page: the key 1 in a call, or the button of a link. Opening a link only reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from caseproof.channels.voice.pages import MOST_TURNS, trial, trial_over
from caseproof.domain.emergency.vocabulary import Press
from caseproof.evidence.page_links import read_page_token
from caseproof.procedure.paging.by_link import Keys
from caseproof.procedure.paging.calls import CallKey
from caseproof.procedure.paging.tested import TEST, Try, Way, answer, key_of_number, one_of, tries
from caseproof.procedure.paging.trial_words import month_in_words
from caseproof.store import Store


@dataclass(frozen=True, slots=True)
class TestShown:
    """What stands on the page of a test link; ``answered``: they said already that it reached them."""

    __test__ = False

    person: str
    month: str
    by_mail: bool
    answered: datetime | None


def is_test(ref: str) -> bool:
    """Whether a call's key, or a link, is of a test page and of no case."""
    return ref.upper().startswith(TEST)


def see_test(store: Store, keys: Keys, token: str, now: datetime) -> TestShown | None:
    """What the page of a test link shows; changes nothing. None for a link of an emergency. Raises BadLink."""
    link = read_page_token(keys.secret, token, now, keys.void)
    if not is_test(link.ref):
        return None
    with store.reading() as uow:
        found = one_of(uow, link.ref.removeprefix(TEST), key_of_number(link.emergency))
    by_mail = found is None or found.way is Way.MAIL
    return TestShown(
        link.person, month_in_words(link.ref.removeprefix(TEST)), by_mail, found.answered if found else None
    )


def answer_test(store: Store, keys: Keys, token: str, now: datetime) -> None:
    """What the button of a test link does: it reached them. Raises BadLink, StoreError."""
    link = read_page_token(keys.secret, token, now, keys.void)
    _answered(store, link.ref, link.emergency, now)


def hear_test(store: Store, key: CallKey, digits: str, turn: int, action: str, now: datetime) -> str:
    """What the voice says in a test call; the key 1 is written down before it is said back. Raises StoreError."""
    if digits == Press.HAVE_IT:
        _answered(store, key.ref, key.attempt, now)
        return trial_over(reached=True)
    with store.reading() as uow:
        one = one_of(uow, key.ref.removeprefix(TEST), key_of_number(key.attempt))
    if one is not None and one.answered is not None:
        return trial_over(reached=True)
    if one is None or turn > MOST_TURNS:
        return trial_over(reached=False)
    return trial(action, pressed=digits)


def _answered(store: Store, ref: str, number: int, now: datetime) -> None:
    with store.uow() as uow:
        answer(uow, ref.removeprefix(TEST), key_of_number(number), now)
        uow.commit()


def standing(store: Store, month: str = "") -> Sequence[Try]:
    """The tries of a month; of the newest one that there is where none is named."""
    with store.reading() as uow:
        found = tries(uow)
    wanted = month or max((one.month for one in found), default="")
    return [one for one in found if one.month == wanted]
