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
    "CASEPROOF_ANSWER_URL", "CASEPROOF_POLICY", "CASEPROOF_BROWSER", "CASEPROOF_OIDC_ISSUER",
    "CASEPROOF_OIDC_CLIENT_ID", "CASEPROOF_PROXY_LOGIN_HEADER", "CASEPROOF_PROXY_ADDRESSES",
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


def forget_addresses(home: Path) -> None:
    """Forget what was written down: nothing of it answers any more."""
    (home / FOLDER / _FILE).unlink(missing_ok=True)


def adopt_addresses(home: Path, environment: MutableMapping[str, str] = os.environ) -> str | None:
    """Set what the home's latest `caseproof up` used and this process was not told; gives what its store is called.

    A Prefect server that is named here goes before that one, with its UI. Its password: ``adopt_password``.
    """
    known = _known(home)
    if environment.get("PREFECT_API_URL"):
        known.pop("PREFECT_UI_URL", None)
    environment.update({name: known[name] for name in _NAMES if name in known and not environment.get(name)})
    return known.get(_STORE)


def adopt_password(home: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the password of the Prefect server that this process asks, where it is this home's own and none is named.

    One is given once, in PREFECT_SERVER_API_AUTH_STRING, and serves the server's clients too; else the one that this
    home keeps goes to this home's own server, and to no other address. Raises BadInput where it cannot be read.
    """
    somewhere = environment.get("PREFECT_API_URL", "")
    ours = _is_ours(_known(home), somewhere)
    if not environment.get("PREFECT_API_AUTH_STRING"):
        given = None if somewhere and not ours else environment.get("PREFECT_SERVER_API_AUTH_STRING")
        if password := given or (kept_key.read(password_file(home)) if ours else None):
            environment["PREFECT_API_AUTH_STRING"] = password


def _known(home: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((home / FOLDER / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def password_file(home: Path) -> Path:
    """Where the password of this home's own Prefect server is kept, for as long as it is in force."""
    return home / kept_key.FOLDER / "prefect-password"


def _is_ours(known: Mapping[str, Any], address: str) -> bool:
    """Whether this address is that of the Prefect server which this home's `caseproof up` starts."""
    ours = known.get("PREFECT_API_URL")
    there = origin(address)
    return bool(known.get(_OURS)) and isinstance(ours, str) and there is not None and there == origin(ours)
