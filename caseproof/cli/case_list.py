"""`caseproof case list`: the cases, and what is looked for among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table

from caseproof.cli.common import AsJson, err, out, print_json, safe, table_of
from caseproof.domain.procedure import called, procedures
from caseproof.domain.spelling import no_such, same, what_is_alike
from caseproof.domain.vocabulary import CAUSES
from caseproof.procedure.core.services import bootstrap
from caseproof.store import CaseRow

_NAMED = ("retailer", "marketplace", "platform")
"""What is filtered by a name that somebody gave."""
_STATES = list(dict.fromkeys(str(state) for one in procedures() for state in one.states))
_LABELS = [called(state) for state in _STATES]
_SEARCHED = ("ref", "job", "job_name", "retailer", "marketplace", "platform")


@dataclass(frozen=True)
class Wanted:
    """Words to search for, and names to filter by, each as it was typed; "" for any.

    Making one raises BadInput for a cause or a state that there is not.
    """

    search: str = ""
    retailer: str = ""
    marketplace: str = ""
    platform: str = ""
    cause: str = ""
    state: str = ""

    def __post_init__(self) -> None:
        if self.cause and not any(same(self.cause, one) for one in CAUSES):
            raise no_such("cause", self.cause, CAUSES)
        if self.state and not any(_is_state(self.state, one) for one in _STATES):
            raise no_such("state", self.state, _LABELS)

    def __bool__(self) -> bool:
        return any((self.search.strip(), self.retailer, self.marketplace, self.platform, self.cause, self.state))

    @property
    def is_closed(self) -> bool:
        """Whether closed cases are asked for."""
        return bool(self.state) and _is_state(self.state, "closed")

    def fits(self, row: CaseRow) -> bool:
        """Whether all that is wanted is true of this case."""
        if self.state and not _is_state(self.state, row.state):
            return False
        if any(wanted and not same(wanted, str(getattr(row, name))) for name, wanted in self._filters()):
            return False
        text = "\n".join(getattr(row, name) for name in _SEARCHED).casefold()
        return all(word in text for word in self.search.casefold().split())

    def unheard_of(self, rows: Iterable[CaseRow]) -> Iterator[str]:
        """A sentence about each name that no case ever had, with those that are alike."""
        every = list(rows)
        for name in _NAMED:
            wanted, known = getattr(self, name), {getattr(row, name) for row in every} - {""}
            if wanted and not any(same(wanted, one) for one in known):
                yield f"No case has the {name} {wanted!r}. {what_is_alike(wanted, known)}"

    def _filters(self) -> Iterator[tuple[str, str]]:
        yield from ((name, getattr(self, name)) for name in (*_NAMED, "cause"))


def _is_state(given: str, state: str) -> bool:
    """Whether a person means this state, by its name before people or by its value."""
    return same(given, state) or same(given, called(state))


def case_list(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Words of the job, its retailer or its place, or a reference.", show_default=False),
    ] = None,
    retailer: Annotated[str, typer.Option(help="Only this retailer's.")] = "",
    marketplace: Annotated[str, typer.Option(help="Only those on this marketplace.")] = "",
    cause: Annotated[str, typer.Option(help=f"Only this cause: {', '.join(CAUSES)}.")] = "",
    platform: Annotated[str, typer.Option(help="Only this platform's.")] = "",
    state: Annotated[str, typer.Option(help=f"Only in this state: {', '.join(_LABELS)}.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Closed cases too.")] = False,
    as_json: AsJson = False,
) -> None:
    """The open cases, oldest first; all words and filters that are given must fit."""
    wanted = Wanted(" ".join(words or ()), retailer, marketplace, platform, cause, state)
    services = bootstrap()
    with services.store.reading() as uow:
        edited = uow.cases.damaged()
        if edited:  # said first: a row may be edited so that it cannot be read at all
            err.print(
                f"[bold red]caseproof:[/] {', '.join(edited)}: the store was edited by hand, and this list shows what "
                "the edit says. What counts is `caseproof case show`; compare with a backup.",
                soft_wrap=True,
            )
        rows = uow.cases.rows()
    looked_at = rows if everything or wanted.is_closed else [row for row in rows if row.closed_at is None]
    found = [row for row in looked_at if wanted.fits(row)]
    for unheard in wanted.unheard_of(rows) if not found else ():
        err.print(safe(unheard), highlight=False, soft_wrap=True)
    if as_json:
        names = ("ref", "state", "job", "platform", "retailer", "marketplace", "cause", "opened_at", "paused_until")
        print_json([{name: getattr(row, name) for name in names} for row in found])
        return
    kind = "cases" if looked_at is rows else "open cases"
    if found:
        out.print(_listed(found, f"{len(found)} of {len(looked_at)} {kind}" if wanted else kind.capitalize()))
    else:
        out.print(f"None of {len(looked_at)} {kind} fits." if wanted and looked_at else f"There are no {kind}.")


def _listed(rows: Sequence[CaseRow], title: str) -> Table:
    table = table_of(title, "Case", "State", "Job or matter", "Retailer or client", "Cause or product", "Opened (UTC)")
    for row in rows:
        state = f"{called(row.state)} until {row.paused_until}" if row.paused_until else called(row.state)
        whose = " · ".join(part for part in (row.retailer, row.marketplace) if part)
        opened = f"{row.opened_at:%Y-%m-%d %H:%M}"
        table.add_row(row.ref, state, safe(row.job_name), safe(whose or "-"), safe(row.cause or row.platform), opened)
    return table
