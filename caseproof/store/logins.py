"""Who of the team can log in, the links that wait for them, and the log-ins that are under way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, insert, select, update

from caseproof.config.mail_address import comparable, unkeepable, usable_address
from caseproof.domain.errors import BadInput
from caseproof.store.rows import insert_once
from caseproof.store.tables import login_links, login_sessions, logins


@dataclass(frozen=True, slots=True)
class Login:
    """A person of the team who may log in; ``password`` is its Argon2 hash, empty where none was chosen."""

    id: int
    name: str
    email: str
    password: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class LoginSession:
    """A log-in that is under way: whose, by which way, since when, and when it was last used."""

    login: Login
    way: str
    made_at: datetime
    seen_at: datetime


def folded_name(name: str) -> str:
    """A name as names are compared: case and the width of gaps do not matter."""
    return " ".join(name.split()).casefold()


class Logins:
    """Every query about them. Links and log-ins are known by the digest of their token alone. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Login]:
        """Everybody who has a login, in the order in which they got it."""
        return [_login(row) for row in self._rows(select(*_LOGIN).order_by(logins.c.id))]

    def named(self, name: str) -> Login | None:
        """Who has a login under this name."""
        folded = folded_name(name)
        # No database has such a name, and PostgreSQL cannot even be asked for one.
        return None if unkeepable(folded) else self._one(logins.c.folded == folded)

    def with_email(self, email: str) -> Login | None:
        """Who has a login with this mail address; None where nobody has, or more than one."""
        wanted = comparable(email.strip())
        found = [one for one in self.all() if one.email and comparable(one.email) == wanted] if wanted else []
        return found[0] if len(found) == 1 else None

    def ensure(self, name: str, email: str, at: datetime) -> Login:
        """Give a person a login, or their login another address; an empty one leaves it. Raises BadInput."""
        email = usable_address(email) if email.strip() else ""
        found, other = self.named(name), self.with_email(email)
        if other is not None and (found is None or other.id != found.id):
            raise BadInput(
                f"{email} is the address of {other.name} already.", "Give each person an address of their own."
            )
        if found is None:
            row = {"name": " ".join(name.split()), "folded": folded_name(name), "email": email, "made_at": at}
            insert_once(self._connection, insert(logins).values(**row))
        elif email:
            self._connection.execute(update(logins).where(logins.c.id == found.id).values(email=email))
        made = self.named(name)
        if made is None:
            raise BadInput(f"{name!r} cannot have a login.", "Give the name as the policy's team has it.")
        return made

    def set_password(self, login: Login, hashed: str) -> None:
        """Keep another hash of a password."""
        self._connection.execute(update(logins).where(logins.c.id == login.id).values(password=hashed))

    def put_in_place(self, login: Login, hashed: str) -> bool:
        """Keep this hash in the place of the one that ``login`` has; whether that was there still."""
        unchanged = (logins.c.id == login.id) & (logins.c.password == login.password)
        return self._connection.execute(update(logins).where(unchanged).values(password=hashed)).rowcount == 1

    def remove(self, login: Login) -> None:
        """Take a login away, with its links and all that is under way."""
        self.end_all(login)
        self.withdraw(login)
        self._connection.execute(delete(logins).where(logins.c.id == login.id))

    # -- links ---------------------------------------------------------------------------------------------------

    def offer(self, login: Login, digest: str, until: datetime) -> None:
        """Keep a link that holds until then; one that was made before for the same person is void."""
        self.withdraw(login)
        self._connection.execute(insert(login_links).values(digest=digest, login_id=login.id, until=until))

    def offered(self, digest: str, now: datetime) -> Login | None:
        """Whose link this is, while it holds."""
        holds = (login_links.c.digest == digest) & (login_links.c.until > now)
        rows = self._rows(select(*_LOGIN).join_from(logins, login_links).where(holds))
        return _login(rows[0]) if rows else None

    def withdraw(self, login: Login) -> None:
        """A person's link is void; harmless where none waits."""
        self._connection.execute(delete(login_links).where(login_links.c.login_id == login.id))

    def waiting(self, now: datetime) -> set[int]:
        """The ids of the logins for which a link waits that still holds."""
        return set(self._connection.scalars(select(login_links.c.login_id).where(login_links.c.until > now)))

    def spend(self, digest: str) -> bool:
        """Use a link up; whether it was there, so that of two at once one alone gets in."""
        return self._connection.execute(delete(login_links).where(login_links.c.digest == digest)).rowcount == 1

    # -- log-ins that are under way --------------------------------------------------------------------------------

    def begin(self, login: Login, digest: str, way: str, at: datetime) -> None:
        """A log-in begins."""
        row = {"digest": digest, "login_id": login.id, "way": way, "made_at": at, "seen_at": at}
        self._connection.execute(insert(login_sessions).values(**row))

    def session(self, digest: str) -> LoginSession | None:
        """The log-in of this digest, however old."""
        s = login_sessions.c
        query = select(*_LOGIN, s.way, s.made_at.label("begun_at"), s.seen_at).join_from(logins, login_sessions)
        rows = self._rows(query.where(s.digest == digest))
        return LoginSession(_login(row := rows[0]), row["way"], row["begun_at"], row["seen_at"]) if rows else None

    def seen(self, digest: str, at: datetime) -> None:
        """A log-in was used just now."""
        self._connection.execute(update(login_sessions).where(login_sessions.c.digest == digest).values(seen_at=at))

    def end(self, digest: str) -> None:
        """A log-in is over; harmless if it is none."""
        self._connection.execute(delete(login_sessions).where(login_sessions.c.digest == digest))

    def end_all(self, login: Login) -> None:
        """All log-ins of a person are over."""
        self._connection.execute(delete(login_sessions).where(login_sessions.c.login_id == login.id))

    def forget(self, begun_before: datetime, seen_before: datetime, now: datetime) -> None:
        """Delete the log-ins that are too old by either, and the links that hold no more."""
        old = (login_sessions.c.made_at < begun_before) | (login_sessions.c.seen_at < seen_before)
        self._connection.execute(delete(login_sessions).where(old))
        self._connection.execute(delete(login_links).where(login_links.c.until <= now))

    def _one(self, where: ColumnElement[bool]) -> Login | None:
        rows = self._rows(select(*_LOGIN).where(where))
        return _login(rows[0]) if rows else None

    def _rows(self, query: Select[tuple[object, ...]]) -> list[RowMapping]:
        return list(self._connection.execute(query).mappings())


_LOGIN = (logins.c.id, logins.c.name, logins.c.email, logins.c.password, logins.c.made_at)


def _login(row: RowMapping) -> Login:
    return Login(*(row[name] for name in Login.__dataclass_fields__))
