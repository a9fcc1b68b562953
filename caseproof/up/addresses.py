"""Where the Prefect server of a home is, so that every command of that home finds it without being told."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

FOLDER = "up"
_FILE = "addresses.json"
_NAMES = ("PREFECT_API_URL", "PREFECT_UI_URL")


def write_addresses(home: Path, environment: Mapping[str, str]) -> None:
    """Write down where Prefect is; never its password."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / f"{_FILE}.half"
    half.write_text(json.dumps({name: environment[name] for name in _NAMES if name in environment}, indent=2) + "\n")
    half.replace(folder / _FILE)


def adopt_addresses(home: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Point this process at the Prefect server of the home's `caseproof up`, unless PREFECT_API_URL names another.

    A server's password is given once, in PREFECT_SERVER_API_AUTH_STRING, and serves its clients too.
    """
    if "PREFECT_API_URL" not in environment:
        try:
            known = json.loads((home / FOLDER / _FILE).read_text())
        except (OSError, ValueError):
            known = {}
        environment.update({name: known[name] for name in _NAMES if name in known and name not in environment})
    if "PREFECT_SERVER_API_AUTH_STRING" in environment:
        environment.setdefault("PREFECT_API_AUTH_STRING", environment["PREFECT_SERVER_API_AUTH_STRING"])
