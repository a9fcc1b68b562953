"""Every platform there is, read once at the start of a pass (house rule 4): from Prefect, or from the environment.

Where Prefect is down then, ``CASEPROOF_PLATFORM_<NAME>`` serves: the fields of the platform's block as JSON, with the
kind of block as ``type`` ("prefect-jobs" where it is left out), as in a set-up file.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from blocks.base import NoSuchBlock, PlatformBlock, PrefectDown, StaleBlock, load_block, saved_names
from blocks.platforms import PLATFORMS
from caseproof.config.strict_json import strict_json
from caseproof.config.yaml_file import plain
from caseproof.domain.errors import BadInput

PREFIX = "CASEPROOF_PLATFORM_"


def read_platforms(only: str, environment: Mapping[str, str]) -> dict[str, PlatformBlock | StaleBlock]:
    """The platforms by name, or the one that is asked for; one that cannot be used is its error, and leaves the others.

    Raises NoSuchBlock, PrefectDown, BadInput.
    """
    found: dict[str, PlatformBlock | StaleBlock]
    try:
        names = [only] if only else saved_names(PLATFORMS, "the platforms")
        found = {name: _usable(name) for name in names}
    except PrefectDown as down:
        found = {**_from(environment, only)}
        if not found:
            name = variable(only or "NAME")
            raise PrefectDown(
                down.problem,
                f"{down.next_action} Or give the platform's fields in {name} (JSON), which serves meanwhile.",
            ) from down
    if not found:
        raise NoSuchBlock("There is no platform to check.", "Save one: `caseproof setup FILE.yaml` (docs/setup.md).")
    return found


def _usable(name: str) -> PlatformBlock | StaleBlock:
    try:
        return load_block(name, PLATFORMS, "platform")
    except StaleBlock as stale:
        return stale


def variable(name: str) -> str:
    """The environment variable that describes the platform of this name."""
    return PREFIX + name.upper().replace("-", "_")


def _from(environment: Mapping[str, str], only: str) -> dict[str, PlatformBlock]:
    named = {
        name.removeprefix(PREFIX).lower().replace("_", "-"): name for name in environment if name.startswith(PREFIX)
    }
    chosen = {name: variable for name, variable in sorted(named.items()) if only in ("", name)}
    return {name: _described(variable, environment[variable]) for name, variable in chosen.items()}


def _described(variable: str, text: str) -> PlatformBlock:
    """The platform that a variable describes. Raises BadInput, which repeats no value: one may be a password."""
    problem = f"{variable} does not describe a platform"
    try:
        fields = strict_json(text)
    except ValueError:
        raise BadInput(f"{problem}: it is not JSON.", 'Write it like {"api_url": "...", "ui_url": "..."}.') from None
    if not isinstance(fields, dict):
        raise BadInput(f"{problem}: it is no JSON object.", 'Write it like {"api_url": "...", "ui_url": "..."}.')
    kinds = {kind.get_block_type_slug().removeprefix("caseproof-"): kind for kind in PLATFORMS}
    kind = kinds.get(str(fields.pop("type", "prefect-jobs")))
    if kind is None:
        raise BadInput(f"{problem}: there is no such type.", f"The types are {', '.join(sorted(kinds))}.")
    unknown = sorted(set(fields) - set(kind.model_fields))
    if unknown:
        raise BadInput(f"{problem}: there is no field {', '.join(unknown)}.", "Correct it; docs/setup.md lists them.")
    try:
        return kind(**fields)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))} {plain(e['type'], e['msg'])}" for e in error.errors())
        raise BadInput(f"{problem}: {wrong}.", "Correct it; docs/setup.md lists the fields.") from None
