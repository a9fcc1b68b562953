"""Who is logged in at this terminal: `caseproof login` keeps it, and what is written down with ``--by`` is theirs.

The token lies in a file of the operating system's user, one for each home that somebody logs in to and for each session
of a terminal: where a team shares one such user, nobody acts under the name of who logged in beside them. Whoever can
read that file can be them, if they want to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from caseproof.config.settings import Settings, read_settings
from caseproof.config.whole_file import put_whole
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.procedure.core.services import bootstrap
from caseproof.store.logins import folded_name
from caseproof.up.processes import Identity


@dataclass(frozen=True)
class _Kept:
    """A log-in that is kept: to which installation, in which session of a terminal, and its token."""

    installation: str
    terminal: Identity
    token: str


def acting(name: str, say: Callable[[str], None]) -> str:
    """Whose name is written down: the one who is logged in here, else ``name``. Raises BadInput for another one's.

    ``say`` gets the name of who is logged in, so that nobody writes under it unawares.
    """
    person = logged_in()
    if person and name and name.strip() and folded_name(name) != folded_name(person):
        raise BadInput(
            f"{person} is logged in at this terminal, and --by says {name!r}.",
            f"Leave --by out, or let {name!r} log in: `caseproof logout`, then `caseproof login NAME`.",
        )
    if person:
        say(person)
    return person or name


def logged_in() -> str:
    """Who is logged in at this terminal, "" for nobody."""
    with suppress(BadInput):
        settings = read_settings()
        if (token := _token(settings)) and (person := bootstrap(settings).logins.person(token)) is not None:
            return person.name
    return ""


def by_default(commands: Mapping[str, Any]) -> dict[str, Any]:
    """The value of ``--by`` where it is left out, for each of these commands: who is logged in, where somebody is."""
    return {name: by_default(one.commands) if hasattr(one, "commands") else _By() for name, one in commands.items()}


class _By(dict[str, Any]):
    """The defaults of a command's options: one, which is looked up when it is needed."""

    def get(self, name: str, default: Any = None) -> Any:
        """Who is logged in, for ``--by``."""
        return (logged_in() if name == "by" else "") or default


def this_terminal() -> Identity:
    """The session of the terminal that we run in, known by the program that leads it. Raises BadInput without one."""
    found = _terminal()
    if found is None:
        raise BadInput(
            "The program that leads this session cannot be seen, so a log-in here could not be told from others'.",
            "Log in from a terminal of your own, or use --by.",
        )
    return found


def keep(settings: Settings, terminal: Identity, token: str) -> None:
    """Keep this log-in for the commands to come in this session of a terminal. Raises CaseproofError."""
    others = [one for one in _read() if one.terminal.is_running and not _is_of(one, settings, terminal)]
    _write([*others, _Kept(settings.installation, terminal, token)])


def drop(settings: Settings) -> str:
    """Forget the log-in to this home in this session, and give its token; "" where none was kept.

    Raises CaseproofError.
    """
    kept, terminal = _read(), _terminal()
    ours = [one for one in kept if _is_of(one, settings, terminal)]
    if ours:
        _write([one for one in kept if one not in ours])
    return ours[0].token if ours else ""


def _token(settings: Settings) -> str:
    """The token that is kept for this home and this session, without making a home to look."""
    kept = _read()
    terminal = _terminal() if kept else None
    return next((one.token for one in kept if _is_of(one, settings, terminal)), "")


def _is_of(one: _Kept, settings: Settings, terminal: Identity | None) -> bool:
    return terminal is not None and one.terminal.is_same(terminal) and one.installation == settings.installation


def _terminal() -> Identity | None:
    with suppress(OSError, psutil.Error, ValueError):
        leader = os.getsid(0)
        return Identity.of(leader) if leader else None
    return None


def _file() -> Path:
    """Where log-ins are kept. Raises RuntimeError where no home of the user can be told."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    return folder / "caseproof" / "logins.json"


def _read() -> list[_Kept]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
        return [_Kept(one["installation"], _identity(**one["terminal"]), one["token"]) for one in found]
    except (OSError, ValueError, TypeError, KeyError, RuntimeError):
        return []


def _identity(pid: int, born: float, boot: str) -> Identity:
    return Identity(int(pid), float(born), boot)


def _write(kept: Sequence[_Kept]) -> None:
    """Write the file anew, for its owner's eyes alone from the first byte on."""
    try:
        file = _file()
    except RuntimeError as error:
        raise CaseproofError(
            "The log-in cannot be kept: this user has no home.", "Set XDG_CONFIG_HOME to a folder, or use --by."
        ) from error
    try:
        put_whole(file, json.dumps([asdict(one) for one in kept]).encode())
    except OSError as error:
        raise CaseproofError(
            f"The log-in cannot be kept in {file}: {error.strerror}.", "Make that folder writable, or use --by."
        ) from error
