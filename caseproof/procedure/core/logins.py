"""Who somebody is: log-ins by a link, a password, a provider's word or a proxy's, and what ends them.

A person is on the team that the policy lists now, and has a login in the store. Whoever is taken off either is nobody
from that moment, whatever they still hold. Of each link and log-in the store has the digest alone.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from caseproof.config.clock import Clock
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.store import Store, UnitOfWork
from caseproof.store.logins import Login, folded_name

LINK_HOLDS = timedelta(days=3)
IDLE = timedelta(hours=8)
"""How long a log-in lives that nobody uses ..."""
LONGEST = timedelta(days=7)
"""... and how long one that is used."""
_NOTED_EVERY = timedelta(minutes=10)  # so that not each look at a page writes

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256

HASHER = PasswordHasher()

_AT_ONCE = threading.BoundedSemaphore(2)
"""A hash takes 64 MB: so many may be made at a time, whoever asks."""


class NotLetIn(CaseproofError):
    """Who asks could not show who they are. It is never said why: that would tell a stranger who has a login."""

    def __init__(self) -> None:
        super().__init__(
            "That did not let you in.",
            "Check the name and the password. `caseproof people link NAME` makes a new sign-in link.",
        )


class LinkIsVoid(CaseproofError):
    """The sign-in link was used, is too old, was replaced by a newer one, or never was one."""

    def __init__(self) -> None:
        super().__init__(
            "This sign-in link holds no more.",
            "A link works once, for three days, until a newer one is made. `caseproof people link NAME` makes one.",
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the team, as the policy spells the name; ``way`` says how they showed it."""

    name: str
    way: str


@dataclass(frozen=True)
class TeamLogins:
    """The logins of the team. ``team`` gives the policy's list as it is now.

    ``by_address`` says that a provider vouches for mail addresses, and the page takes no password then; ``by_name``
    that a proxy names people.
    """

    store: Store
    clock: Clock
    team: Callable[[], Sequence[str]]
    hasher: PasswordHasher = HASHER
    by_address: bool = False
    by_name: bool = False

    # -- who may ------------------------------------------------------------------------------------------------

    def invite(self, name: str, email: str = "") -> tuple[Login, str]:
        """Give somebody of the team a login, and the token of a link that lets them choose a password, once.

        A link that was made before is void. Raises BadInput for who is not on the team, or an address that is none.
        """
        member, token = self.member(name), secrets.token_urlsafe(32)
        now = self.clock()
        with self.store.uow() as uow:
            login = uow.logins.ensure(member, email, now)
            uow.logins.forget(now - LONGEST, now - IDLE, now)
            uow.logins.offer(login, _digest(token), now + LINK_HOLDS)
            uow.commit()
        return login, token

    def first_link(self) -> tuple[Login, str] | None:
        """A link for the first person of the team, where nobody can log in; else None."""
        return None if self.who_get_in() else self.invite(self.team()[0])

    def who_get_in(self) -> list[Login]:
        """Those of the team who can log in to the pages as things are; to have a login alone is no way in."""
        with self.store.reading() as uow:
            having, waiting = uow.logins.all(), uow.logins.waiting(self.clock())
        on_team = [one for one in having if self._on_team(one.name) is not None]
        return [one for one in on_team if self.by_name or one.id in waiting or self._shown_by(one)]

    def _shown_by(self, login: Login) -> str:
        return login.email if self.by_address else login.password

    def everybody(self) -> list[Login]:
        """All who have a login, also those who are on the team no more."""
        with self.store.reading() as uow:
            return uow.logins.all()

    def remove(self, name: str) -> str:
        """Take a login away; they are out at once. Gives the name. Raises BadInput where there is none."""
        with self.store.uow() as uow:
            login = uow.logins.named(name)
            if login is None:
                raise BadInput(f"{name!r} has no login.", "`caseproof people list` shows who has one.")
            uow.logins.remove(login)
            uow.commit()
        return login.name

    def member(self, name: str) -> str:
        """The name as the policy has it. Raises BadInput for somebody who is not on the team."""
        found = self._on_team(name)
        if found is None:
            raise BadInput(
                f"{name!r} is not on the team.",
                f"Put the name into `team` of the policy; now it has {', '.join(self.team())}.",
            )
        return found

    def _on_team(self, name: str) -> str | None:
        wanted = folded_name(name)
        return next((one for one in self.team() if folded_name(one) == wanted), None)

    # -- ways in ------------------------------------------------------------------------------------------------

    def offered(self, token: str) -> Login:
        """Whose link this is; looking changes nothing. Raises LinkIsVoid."""
        with self.store.reading() as uow:
            login = uow.logins.offered(_digest(token), self.clock())
        if login is None or self._on_team(login.name) is None:
            raise LinkIsVoid
        return login

    def use_link(self, token: str, password: str, *, way: str = "link") -> str:
        """Choose a password by a link, which is used up: a new log-in's token; all older log-ins are over.

        Raises LinkIsVoid, and BadInput for a password that will not do; then the link still holds.
        """
        login = self.offered(token)
        hashed = self._hash(self._usable(password, login))
        with self.store.uow() as uow:
            if not uow.logins.spend(_digest(token)):  # somebody else was quicker
                raise LinkIsVoid
            uow.logins.set_password(login, hashed)
            uow.logins.end_all(login)
            return self._begin(uow, login, way)

    def by_password(self, name: str, password: str, *, way: str = "password") -> str:
        """A new log-in's token. Takes as long for a name that is none. Raises NotLetIn."""
        unknown = _unknown(self.hasher)
        with self.store.reading() as uow:
            login = uow.logins.named(name[:LONGEST_PASSWORD])
        may = login is not None and login.password != "" and self._on_team(login.name) is not None
        right = self._verify(login.password if may and login else unknown, password)
        if login is None or not (may and right):
            raise NotLetIn
        is_old = self.hasher.check_needs_rehash(login.password)
        return self._let_in(login, way, self._hash(_normal(password)) if is_old else login.password)

    def by_email(self, email: str, *, way: str) -> str:
        """A new log-in's token for who has this address, which somebody we trust vouches for. Raises NotLetIn."""
        with self.store.reading() as uow:
            login = uow.logins.with_email(email)
        if login is None or self._on_team(login.name) is None:
            raise NotLetIn
        return self._let_in(login, way, login.password)

    def known_as(self, who: str, *, way: str) -> Person | None:
        """The person with this name or address, which somebody we trust vouches for with each request."""
        with self.store.reading() as uow:
            login = uow.logins.with_email(who) if "@" in who else uow.logins.named(who)
        name = self._on_team(login.name) if login else None
        return Person(name, way) if name else None

    # -- while they are in ----------------------------------------------------------------------------------------

    def person(self, token: str) -> Person | None:
        """Who holds this log-in; None where it is over, or they may no more. Raises StoreDown, StoreError."""
        now, digest = self.clock(), _digest(token)
        with self.store.reading() as uow:
            session = uow.logins.session(digest)
        if session is None or not (now - session.made_at < LONGEST and now - session.seen_at < IDLE):
            return None
        name = self._on_team(session.login.name)
        if name is not None and now - session.seen_at >= _NOTED_EVERY:
            with suppress(CaseproofError), self.store.uow() as uow:  # a busy store must not keep anybody out
                uow.logins.seen(digest, now)
                uow.commit()
        return Person(name, session.way) if name is not None else None

    def log_out(self, token: str) -> None:
        """This log-in is over; harmless if it is none."""
        with self.store.uow() as uow:
            uow.logins.end(_digest(token))
            uow.commit()

    def change_password(self, name: str, old: str, new: str, *, way: str) -> str:
        """Another password: a new log-in's token; all others are over, and a link that waits is void.

        Raises NotLetIn, BadInput.
        """
        with self.store.reading() as uow:
            login = uow.logins.named(name)
        if login is None or not login.password or not self._verify(login.password, old):
            raise NotLetIn
        hashed = self._hash(self._usable(new, login))
        with self.store.uow() as uow:
            if not uow.logins.put_in_place(login, hashed):
                raise NotLetIn
            uow.logins.withdraw(login)
            uow.logins.end_all(login)
            return self._begin(uow, login, way)

    def _let_in(self, login: Login, way: str, hashed: str) -> str:
        """A log-in for who showed to be this person, unless the login was removed or got another password meanwhile.

        ``hashed`` is the hash of the same password from now on. One unit of work looks and begins: else a log-in by
        the old password could begin just after all were ended.
        """
        with self.store.uow() as uow:
            if not uow.logins.put_in_place(login, hashed):
                raise NotLetIn
            return self._begin(uow, login, way)

    def _begin(self, uow: UnitOfWork, login: Login, way: str) -> str:
        """Begin a log-in, and commit."""
        token, now = secrets.token_urlsafe(32), self.clock()
        uow.logins.forget(now - LONGEST, now - IDLE, now)
        uow.logins.begin(login, _digest(token), way, now)
        uow.commit()
        return token

    # -- passwords ------------------------------------------------------------------------------------------------

    def _usable(self, password: str, login: Login) -> str:
        plain = _normal(password)
        if not SHORTEST_PASSWORD <= len(plain) <= LONGEST_PASSWORD:
            raise BadInput(
                f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
                "Take a few words that go together for you alone.",
            )
        if plain.casefold() in (folded_name(login.name), login.email.casefold()) or len(set(plain)) < 4:
            raise BadInput("This password is easy to guess.", "Take a few words that go together for you alone.")
        return plain

    def _hash(self, password: str) -> str:
        with _AT_ONCE:
            return self.hasher.hash(password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            with _AT_ONCE:
                return self.hasher.verify(hashed, _normal(password[: LONGEST_PASSWORD + 1]))
        except (Argon2Error, InvalidHashError, UnicodeError):
            return False


@cache
def _unknown(hasher: PasswordHasher) -> str:
    """What a password is compared with where there is no login: made once, and fits none."""
    return hasher.hash(secrets.token_urlsafe(32))


def _normal(password: str) -> str:
    """A password as it is compared: the same however a keyboard makes its letters (RFC 8265 says NFC)."""
    return unicodedata.normalize("NFC", password)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
