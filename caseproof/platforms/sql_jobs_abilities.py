"""What a table of jobs is able to do: what its declaration leaves out, it lacks, and says so (J3)."""

from __future__ import annotations

from caseproof.platforms.abilities import Abilities, Ability, Lack, PlatformAbilities
from caseproof.platforms.sql_jobs_declaration import SqlDeclaration, binds_of

_NO_COLUMN = "Give the query of the jobs a column with the schedule's cron line, and name it in `jobs.columns.cron`."
_BY_HAND = "Do it in the system that the table belongs to, or declare `statements.{}`."
_LACKS: dict[Ability, Lack] = {
    Ability.SCHEDULES: Lack("The declaration names no column with schedules.", _NO_COLUMN),
    Ability.STOP: Lack("The declaration has no statement that stops a job.", _BY_HAND.format("stop")),
    Ability.CANCEL: Lack("The declaration has no statement that cancels a run.", _BY_HAND.format("cancel")),
    Ability.RESUME: Lack("The declaration has no statement that sets a job live.", _BY_HAND.format("resume")),
    Ability.RUN: Lack("The declaration has no statement that starts a run.", _BY_HAND.format("rerun")),
    Ability.KEYED_RUN: Lack("The declaration has no statement that starts a run.", _BY_HAND.format("rerun")),
    Ability.PARAMETERS: Lack(
        "The declaration's `rerun` takes no :parameters.", "Write them into the job's own row, or add the bind."
    ),
    Ability.REMOVE: Lack(
        "The declaration has no statement that removes a job.", "A removal stops the job and leaves it there."
    ),
}
_DEPENDS = {
    Ability.SCHEDULES: "where a column holds cron lines",
    Ability.STOP: "where `stop` is declared",
    Ability.CANCEL: "where `cancel` is declared",
    Ability.RESUME: "where `resume` is declared",
    Ability.RUN: "where `rerun` is declared",
    Ability.KEYED_RUN: "where `rerun` is declared",
    Ability.PARAMETERS: "where `rerun` takes :parameters",
    Ability.REMOVE: "where `remove` is declared",
}
ABILITIES: PlatformAbilities = Abilities(
    Ability,
    frozenset(Ability) - {Ability.PAGE} - _DEPENDS.keys(),
    {
        Ability.PAGE: Lack(
            "A database shows no page of a run to people.",
            "Caseproof renders one from what it read back; it closes a case where the policy takes that "
            "(`closing.rendered_pages`).",
        )
    },
    _DEPENDS,
)
"""What a table of jobs is able to do."""


def abilities_of(declared: SqlDeclaration) -> PlatformAbilities:
    """What one is able to do that is declared so."""
    has = declared.statements
    there = {
        Ability.SCHEDULES: declared.jobs.columns.cron,
        Ability.STOP: has.stop,
        Ability.CANCEL: has.cancel,
        Ability.RESUME: has.resume,
        Ability.RUN: has.rerun,
        Ability.KEYED_RUN: has.rerun,
        Ability.PARAMETERS: has.rerun and "parameters" in binds_of(has.rerun),
        Ability.REMOVE: has.remove,
    }
    return ABILITIES.lacking({ability: _LACKS[ability] for ability, is_there in there.items() if not is_there})
