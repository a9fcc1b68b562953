"""What an event says is what its payload declares: the readers' types know every name that is written."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

from caseproof.domain.job_failure.kinds import Kind

HOUSE = Path(__file__).parents[2]
SAYS = {kind.name: set(get_type_hints(kind.spec.says)) for kind in Kind}


def is_kind(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "Kind"


def written(path: Path) -> Iterator[tuple[int, str, str]]:
    """The names that an event is written with, where its kind and they stand in one call: line, kind, name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            for kind in (a.attr for a in node.args if isinstance(a, ast.Attribute) and is_kind(a.value)):
                yield from ((node.lineno, kind, given.arg) for given in node.keywords if given.arg)


def test_every_name_that_is_written_into_an_event_stands_in_its_payload() -> None:
    files = [path for room in ("caseproof", "tasks", "flows") for path in sorted((HOUSE / room).rglob("*.py"))]
    found = [(path.relative_to(HOUSE), *one) for path in files for one in written(path)]
    assert len(found) > 60, "the search finds what it looks for"
    assert [one for one in found if one[2] in SAYS and one[3] not in SAYS[one[2]]] == []
