"""What an HTTP job service is able to do: what its declaration leaves out, it lacks, and says so (J3)."""

from __future__ import annotations

from caseproof.platforms.abilities import Ability, Lack, PlatformAbilities, all_but
from caseproof.platforms.http_jobs_declared import Service

_IN_DECLARATION = "Do it on the service's own page, or complete the declaration (docs/platform-http.md)."
ABILITIES = all_but(
    Ability,
    {
        Ability.RENDERED: Lack(
            "Its runs are shown on pages of its own.",
            "Where it has none, a person uploads a picture on the case's page, and another confirms it.",
        )
    },
    {
        Ability.SCHEDULES: "`jobs.fields` has `cron` or `every_seconds`",
        Ability.STOP: "`stop` is given",
        Ability.RESUME: "`resume` is given",
        Ability.CANCEL: "`cancel` is given",
        Ability.RUN: "`start` is given",
        Ability.KEYED_RUN: "`start` is given",
        Ability.PARAMETERS: "`start` takes `{parameters}`",
        Ability.REMOVE: "`remove` is given",
        Ability.PAGE: "`runs.page` is given",
    },
)
"""What an HTTP job service is able to do; most of it is a matter of its declaration."""


def abilities_of(declared: Service) -> PlatformAbilities:
    """What one is able to do that is declared so."""
    fields = declared.jobs.fields
    there = {
        Ability.SCHEDULES: bool(fields.cron or fields.every_seconds),
        Ability.STOP: bool(declared.stop),
        Ability.RESUME: bool(declared.resume),
        Ability.CANCEL: declared.cancel is not None,
        Ability.RUN: declared.start is not None,
        Ability.KEYED_RUN: declared.start is not None,
        Ability.PARAMETERS: declared.start is not None and "parameters" in declared.start.places(),
        Ability.REMOVE: bool(declared.remove),
        Ability.PAGE: declared.runs.page is not None,
    }
    lacks = {
        ability: Lack(f"Its declaration does not say how; it does where {ABILITIES.depends[ability]}.", _IN_DECLARATION)
        for ability, given in there.items()
        if not given
    }
    return ABILITIES.lacking(lacks)
