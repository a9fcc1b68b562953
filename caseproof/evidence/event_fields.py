"""Which names an event's data may have, all the way down: what our rules pass over, people would read all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from caseproof.domain.events import Event

FREE = frozenset({"not_stopped", "left_stopped", "answer"})
"""Fields of which only the name is known: what a platform says of a job, and what was typed into a form."""


def unknown_names(events: Iterable[Event]) -> list[str]:
    """What stands in the events beside what events of their kinds say: ``notice_sent.links.colour``, say."""
    return sorted({name for event in events for name in _beside(event.kind.spec.says, event.data, str(event.kind))})


def _beside(hint: Any, value: Any, at: str) -> Iterator[str]:
    if at.rpartition(".")[2] in FREE:
        return
    if get_origin(hint) in (Union, UnionType):
        chosen = [one for one in get_args(hint) if one is not NoneType]
        hint = chosen[0] if len(chosen) == 1 else str
    match value:
        case Mapping() if is_typeddict(hint):
            known = get_type_hints(hint)
            for name, inner in value.items():
                yield from _beside(known[name], inner, f"{at}.{name}") if name in known else [f"{at}.{name}"]
        case Mapping() if get_origin(hint) is dict:  # by addresses, say: its names are anybody's
            for inner in value.values():
                yield from _beside(get_args(hint)[1], inner, at)
        case list() | tuple() if get_origin(hint) is list:
            for inner in value:
                yield from _beside(get_args(hint)[0], inner, at)
        case Mapping() | list() | tuple():
            yield at
