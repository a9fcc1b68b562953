"""Uses a store while another process does the same: `writer.py URL NAME`; each line it reads is a go."""

import json
import sys
from datetime import UTC, datetime

from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Disposition
from caseproof.store import AlreadyOpen, Store

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
OPENED = dict.fromkeys(("job_name", "cause", "summary", "how", "scope"), "x") | {"platform": "p", "job": "j"}


def create(store: Store) -> str:
    with store.uow() as uow:
        try:
            ref = uow.cases.create(Event(Kind.OPENED, START, "caseproof", OPENED)).ref
        except AlreadyOpen as error:
            return f"already open: {error.ref}"
        uow.commit()
    return f"created: {ref}"


def append(store: Store, name: str) -> int:
    event = Event(Kind.TROUBLE, START, name, {"step": "s", "problem": "p", "next_action": "n"})
    for _ in range(15):
        store.change("JF-000001", lambda _: [event])
    return 15


def claim(store: Store, name: str) -> str:
    with store.uow() as uow:
        found = uow.intents.claim("k", "JF-000001", "stop", owner=name, now=START, seconds=60, plan={})
        uow.commit()
    return found.standing


def receive(store: Store, name: str) -> int:
    """Both got the same bytes."""
    said = {"message_id": "<1@x>", "sender": f"{name}@x", "subject": "x", "size": 1, "way": "mail", "why": name}
    with store.uow() as uow:
        number = uow.messages.add("ab" * 32, place=Disposition.REPLY, ref="JF-000001", at=START, **said)
        uow.commit()
    return number


def main() -> None:
    url, name = sys.argv[1:]
    store = Store(url)
    steps = (
        store.migrate,
        lambda: create(store),
        lambda: append(store, name),
        lambda: claim(store, name),
        lambda: receive(store, name),
    )
    print("ready", flush=True)  # noqa: T201
    for step in steps:
        sys.stdin.readline()
        print(json.dumps(step()), flush=True)  # noqa: T201


main()
