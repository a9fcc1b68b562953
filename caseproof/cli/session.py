"""Who is logged in at this terminal: `caseproof login` keeps it, and what is written down with ``--by`` is theirs.

The token lies in the person's own file, one for each home that they log in to. Whoever can read that file is them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from caseproof.config.settings import Settings, read_settings
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.procedure.core.services import bootstrap
from caseproof.store.logins import folded_name


def acting(name: str) -> str:
    """Whose name is written down: the one who is logged in here, else ``name``. Raises BadInput for another one's."""
    person = logged_in()
    if person and name and name.strip() and folded_name(name) != folded_name(person):
        raise BadInput(
            f"{person} is logged in at this terminal, and --by says {name!r}.",
            f"Leave --by out, or let {name!r} log in: `caseproof logout`, then `caseproof login NAME`.",
        )
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


def keep(settings: Settings, token: str) -> None:
    """Keep this log-in for the commands to come. Raises CaseproofError."""
    _write({**_read(), settings.installation: token})


def drop(settings: Settings) -> str:
    """Forget the log-in of this home, and give its token; "" where none was kept. Raises CaseproofError."""
    kept = _read()
    token = kept.pop(settings.installation, "")
    if token:
        _write(kept)
    return token


def _token(settings: Settings) -> str:
    """The token that is kept for this home, without making a home to look."""
    kept = _read()
    return kept.get(settings.installation, "") if kept else ""


def _file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    return folder / "caseproof" / "logins.json"


def _read() -> dict[str, str]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _write(kept: Mapping[str, str]) -> None:
    """Write the file anew, for its owner's eyes alone from the first byte on."""
    file = _file()
    half = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half.unlink(missing_ok=True)
        with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as text:  # noqa: PTH123
            json.dump(dict(kept), text)
        half.replace(file)
    except OSError as error:
        raise CaseproofError(
            f"The log-in cannot be kept in {file}: {error.strerror}.", "Make that folder writable, or use --by."
        ) from error
