"""What an event says to people, in one line of plain text, of whatever procedure it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from caseproof.domain.events import Event
from caseproof.domain.procedure import of_kind
from caseproof.domain.visible import one_line
from caseproof.domain.vocabulary import PICTURED, WAYS, Picture
from caseproof.procedure.core.parts import US
from caseproof.procedure.core.texts import in_words

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d\S*")


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


def whole_sentence(event: Event) -> str:
    """What happened, with all that was said of it; lists of texts one after the other."""
    data = _Blank(event.data)
    data["_form"] = of_kind(event.kind).questions.get(str(event.data.get("form")), event.data.get("form"))
    data["_jobs"] = ", ".join(str(job.get("name") or job["job"]) for job in event.data.get("jobs", ()))
    data["_to"] = ", ".join(event.data.get("accepted", ())) or ("it may have left" if event.data.get("unsure") else "")
    data["_way"] = f", {WAYS[way]}" if (way := event.data.get("by_way_of")) in WAYS else ""
    data["_said"] = "The platform says" if event.actor == US else f"{event.actor} says"
    data["_opened"] = "adopted" if event.data.get("adopted") else "opened"
    if before := event.data.get("instead_of"):
        data["_opened"] = f"takes the place of {before}"
    data["_because"] = f": {why}" if (why := event.data.get("why")) else ""
    data |= {name: "; ".join(map(str, told)) for name, told in event.data.items() if _is_texts(told)}
    data |= {name: moment(told) for name, told in event.data.items() if isinstance(told, str)}
    data["_page"] = PICTURED.get(event.data.get("of", Picture.OWN_PAGE), "a page")
    data["_outcome"] = in_words(event.data.get("outcome", ""))
    lines = (("To try", data["suggestions"]), ("To answer", data["questions"]))
    data["_lines"] = ". ".join(f"{what}: {said}" for what, said in lines if said)
    data["_cause"], data["_on"] = in_words(event.data.get("cause", "")), str(event.data.get("on", ""))[:10]
    return one_line(event.kind.spec.sentence.format_map(data))


def moment(told: str) -> str:
    """A moment as people read it, like ``2026-11-30 00:23 UTC``; any other text as it is."""
    if not _MOMENT.fullmatch(told):
        return told
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        return told
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at.tzinfo else told


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
