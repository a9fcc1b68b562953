"""What an event says to people, in one line of plain text, of whatever procedure it is."""

from __future__ import annotations

from typing import Any

from caseproof.domain.events import Event
from caseproof.domain.visible import one_line


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


def whole_sentence(event: Event) -> str:
    """What happened, with all that was said of it; lists of texts one after the other."""
    data = _Blank({name: _flat(value) for name, value in event.data.items()})
    data["_opened"] = "adopted" if event.data.get("adopted") else "opened"
    return one_line(event.kind.spec.sentence.format_map(data)).strip()


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        return "; ".join(str(one) for one in value if isinstance(one, str))
    return value
