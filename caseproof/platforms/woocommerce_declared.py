"""The record of who receives a WooCommerce site's deliveries: how it is declared, and where it holds what.

WooCommerce does not tell deliveries by its API any more, so a run is what the receiver wrote down. A record is a JSON
endpoint of the receiver's, declared like this:

```yaml
address: https://receiver.example.com/api
login: bearer                       # how the block's secret is sent: bearer, basic, or a header's name; or nothing
list: deliveries?since={since}      # all deliveries since a moment
of_job: deliveries?webhook={job}&since={since}     # those of one job; without it, they are picked from the list
one: deliveries/{run}               # one delivery
by_key: deliveries?key={key}        # the delivery that was started with this key (for `rerun`)
items: items                        # where the list stands in the answer (JMESPath); @ where it is the answer
next: next                          # where the answer has the next page's address or path; nothing: one page is all
fields: {id: id, job: webhook_id, status: status, started: started_at, ended: ended_at, message: error, key: key}
states: {ok: succeeded, error: failed, working: running, queued: waiting}
page: {address: "https://receiver.example.com/deliveries/{run}", success: ok}
rerun: {path: reruns, body: {webhook: "{job}", key: "{key}"}}
```

``job`` is the webhook's id, as WooCommerce sends it in the header X-WC-Webhook-ID, or an API key's name in the block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from caseproof.config.declarations import Declared, read_declaration
from caseproof.platforms.base import RunState
from caseproof.platforms.http_jobs_declared import ITSELF
from caseproof.platforms.http_jobs_words import Expression, Found

_PLACE = re.compile(r"\{([^{}]*)\}")


Address = Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$")]
Path = Annotated[str, Field(pattern=r"^[^/\s]\S*$")]
"""What is asked for below the record's address, with its query."""


class RecordFields(Declared):
    """Where a delivery's entry holds what. Without ``ended``, a delivery was over as soon as it came."""

    id: Found
    job: Found
    status: Found
    started: Found
    ended: Found | None = None
    message: Found | None = None
    key: Found | None = None

    def given(self) -> dict[str, Expression]:
        """The expressions that there are, by their names."""
        return {name: found for name in type(self).model_fields if (found := getattr(self, name)) is not None}


class RecordPage(Declared):
    """The page of a delivery, for people, and what stands on it: each of ``names``, and the word for success."""

    address: Address
    success: str = Field(min_length=1)
    names: tuple[str, ...] = Field(("{run}",), min_length=1)


class Rerun(Declared):
    """What makes the receiver take a job's data once more, whether or not the webhook is active."""

    path: Path
    body: Mapping[str, str]


class Record(Declared):
    """A whole declaration."""

    address: Address
    login: str = Field("bearer", pattern=r"^[A-Za-z0-9-]+$")
    list: Path
    of_job: Path | None = None
    one: Path
    by_key: Path | None = None
    items: Found = ITSELF
    next: Found | None = None
    fields: RecordFields
    states: Mapping[str, RunState] = Field(min_length=1)
    page: RecordPage | None = None
    rerun: Rerun | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if RunState.SUCCEEDED not in self.states.values():
            raise ValueError("no word of `states` means succeeded, so no delivery could ever prove anything")
        asked = {"list": {"since"}, "of_job": {"since", "job"}, "one": {"run"}, "by_key": {"job", "key"}}
        for name, known in asked.items():
            if strange := sorted(_places(getattr(self, name) or "") - known):
                raise ValueError(f"`{name}` has no {{{strange[0]}}}; it takes {_told(known)}")
        if "run" not in _places(self.one):
            raise ValueError("`one` names no {run}, so every delivery would be the same")
        if self.page and (strange := sorted(_places(" ".join((self.page.address, *self.page.names))) - {"run", "job"})):
            raise ValueError(f"`page` has no {{{strange[0]}}}; it takes {_told({'run', 'job'})}")
        if self.rerun:
            held = {place for value in self.rerun.body.values() for place in _places(value)}
            if not {"job", "key"} <= held <= {"job", "key"}:
                raise ValueError("the body of `rerun` holds {job} and {key}, and no other")
            if self.by_key is None or "key" not in _places(self.by_key) or self.fields.key is None:
                raise ValueError("`rerun` needs `by_key` with {key}, and `fields.key`: else none is found again")
        return self


def read_record(text: str) -> Record:
    """The declaration that a text holds. Raises DeclarationError, which names each mistake by its line."""
    return read_declaration(text, Record, "of the receiver's record")


def _places(text: str) -> set[str]:
    return set(_PLACE.findall(text))


def _told(places: set[str]) -> str:
    return " and ".join(f"{{{one}}}" for one in sorted(places))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each placeholder replaced."""
    return _PLACE.sub(lambda place: values[place[1]], text)


def in_address(text: str, values: Mapping[str, str]) -> str:
    """The path or address with each placeholder replaced, so that no value can become a part of it."""
    return _PLACE.sub(lambda place: quote(values[place[1]], safe=""), text)
