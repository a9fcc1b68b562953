"""Where the services of a home's `caseproof up` are, so that every command of that home finds them by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from caseproof.config import kept_key
from caseproof.http.client import origin

FOLDER = "up"
_FILE = "addresses.json"
_NAMES = (
    "PREFECT_API_URL", "PREFECT_UI_URL", "CASEPROOF_PREFECT_URL", "CASEPROOF_WEB_URL", "CASEPROOF_PUBLIC_URL",
    "CASEPROOF_POLICY", "CASEPROOF_BROWSER",
)  # fmt: skip
_STORE = "store"
_OURS = "own_server"


def write_addresses(home: Path, environment: Mapping[str, str], store: str, *, own_server: bool) -> None:
    """Write down where everything is; never a password. ``store`` is what the store is called in front of people.

    ``own_server``: whether the Prefect server is the one that this home's `caseproof up` starts.
    """
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {name: environment[name] for name in _NAMES if name in environment}
    known |= {_STORE: store, _OURS: own_server}
    half = folder / f"{_FILE}.half"
    half.write_text(json.dumps(known, indent=2) + "\n")
    half.replace(folder / _FILE)


def adopt_addresses(home: Path, environment: MutableMapping[str, str] = os.environ) -> str | None:
    """Set what the home's latest `caseproof up` used and this process was not told; gives what its store is called.

    A Prefect server that is named here goes before that one, with its UI. A server's password is given once, in
    PREFECT_SERVER_API_AUTH_STRING, and serves its clients too; where none is given, the one that this home keeps goes
    to this home's own server, and to no other address. Raises BadInput where what is kept cannot be read.
    """
    try:
        known = dict(json.loads((home / FOLDER / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        known = {}
    named = environment.get("PREFECT_API_URL")
    if named:
        known.pop("PREFECT_UI_URL", None)
    environment.update({name: known[name] for name in _NAMES if name in known and not environment.get(name)})
    ours = _is_ours(known, environment.get("PREFECT_API_URL", ""))
    if not environment.get("PREFECT_API_AUTH_STRING"):
        given = environment.get("PREFECT_SERVER_API_AUTH_STRING") if ours or not named else None
        if password := given or (kept_key.read(password_file(home)) if ours else None):
            environment["PREFECT_API_AUTH_STRING"] = password
    return known.get(_STORE)


def password_file(home: Path) -> Path:
    """Where the password of this home's own Prefect server is kept, for as long as it is in force."""
    return home / kept_key.FOLDER / "prefect-password"


def _is_ours(known: Mapping[str, Any], address: str) -> bool:
    """Whether this address is that of the Prefect server which this home's `caseproof up` starts."""
    ours = known.get("PREFECT_API_URL")
    there = origin(address)
    return bool(known.get(_OURS)) and isinstance(ours, str) and there is not None and there == origin(ours)
