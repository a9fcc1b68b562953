"""Where the services of a home's `caseproof up` are, so that every command of that home finds them by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

FOLDER = "up"
_FILE = "addresses.json"
_NAMES = (
    "PREFECT_API_URL", "PREFECT_UI_URL", "CASEPROOF_PREFECT_URL", "CASEPROOF_WEB_URL", "CASEPROOF_PUBLIC_URL",
    "CASEPROOF_POLICY", "CASEPROOF_BROWSER",
)  # fmt: skip
_STORE = "store"


def write_addresses(home: Path, environment: Mapping[str, str], store: str) -> None:
    """Write down where everything is; never a password. ``store`` is what the store is called in front of people."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    known = {name: environment[name] for name in _NAMES if name in environment} | {_STORE: store}
    half = folder / f"{_FILE}.half"
    half.write_text(json.dumps(known, indent=2) + "\n")
    half.replace(folder / _FILE)


def adopt_addresses(home: Path, environment: MutableMapping[str, str] = os.environ) -> str | None:
    """Set what the home's latest `caseproof up` used and this process was not told; gives what its store is called.

    A Prefect server that is named here goes before that one, with its UI. A server's password is given once, in
    PREFECT_SERVER_API_AUTH_STRING, and serves its clients too.
    """
    try:
        known = dict(json.loads((home / FOLDER / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        known = {}
    if environment.get("PREFECT_API_URL"):
        known.pop("PREFECT_UI_URL", None)
    environment.update({name: known[name] for name in _NAMES if name in known and not environment.get(name)})
    if "PREFECT_SERVER_API_AUTH_STRING" in environment:
        environment.setdefault("PREFECT_API_AUTH_STRING", environment["PREFECT_SERVER_API_AUTH_STRING"])
    return known.get(_STORE)
