"""Recordings of sessions (E12): linked, taken back, answered with why there is none; and the index for training.

The address of a recording stands in the index alone, a note of the store for each one that is linked: no event, page of
a case, file or proof holds it. When its time is over, or somebody takes their consent back, the note goes and the
events stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from caseproof.config.clock import Clock
from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as emergency
from caseproof.domain.emergency.vocabulary import CRITERIA
from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event
from caseproof.domain.recordings import payloads as says
from caseproof.domain.recordings.linking import Lacking, Link, LinkRefused, linked_by
from caseproof.domain.recordings.listing import Ends, is_asked_for, may_hear, recordings
from caseproof.domain.substance import says_something
from caseproof.domain.visible import one_line
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import US, Ledger, event_of
from caseproof.procedure.core.support import people_of
from caseproof.store import Store, UnitOfWork
from caseproof.store.errors import Unreadable

_INDEX = "recording/"
_FILES = "recording-file/"
"""What the notes of the store begin with: of each linked recording; and of each evidence file that is one."""
_NOT_HERE = Lacking(
    "file", "E12", "the case has no such file",
    "Take the digest from the case's page; what is no evidence of the case is linked by its address.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the training index. ``criteria`` are those of E7 that held, in words; ``address`` is where it is heard,
    "" where it is the evidence file ``file``. ``at`` is when it was linked, aware."""

    ref: str
    number: int
    topic: str
    product: str
    client: str
    criteria: tuple[str, ...]
    made_by: str
    linked_by: str
    at: datetime
    listeners: tuple[str, ...]
    kept_until: date
    address: str
    file: str

    @property
    def words(self) -> str:
        """All that a search looks through."""
        told = (self.ref, self.topic, self.product, self.client, *self.criteria, self.made_by, self.linked_by)
        return one_line(" ".join(told)).casefold()


# -- linking ---------------------------------------------------------------------------------------------------------


def names_known(policy: Policy) -> tuple[str, ...]:
    """The people whom the policy knows: its team, and who is in a tier."""
    tiers = people_of(policy).values()
    return tuple(dict.fromkeys([*policy.team, *(name for names in tiers for name in names)]))


def tiers_of(policy: Policy, name: str) -> tuple[str, ...]:
    """The tiers that somebody is in, as the policy writes them."""
    wanted = one_line(name).casefold()
    return tuple(
        tier.name for tier, names in people_of(policy).items() if wanted in {one_line(one).casefold() for one in names}
    )


def link_recording(ledger: Ledger, policy: Policy, ref: str, link: Link, *, by: str) -> Case:
    """Link a recording; the same one, sent twice, is linked once. Raises LinkRefused with all that it lacks,
    UnknownCase."""
    now = ledger.clock()
    with ledger.store.uow() as uow:
        case = uow.cases.get(ref)
        said = linked_by(_tidied(link), case, now.date(), names_known(policy))
        if link.file.strip() and not any(row.digest == said["link"] for row in uow.evidence.of(case.ref)):
            raise LinkRefused([_NOT_HERE])
        if any(one.is_linked and one.said["link"] == said["link"] for one in recordings(case)):
            return case
        case = uow.cases.append(case, event_of(case.procedure.kind(says.RecordingLinked), now, by, dict(said)))
        entry = _entry(case, said, link, now, by)
        uow.cursors.set(_name(case.ref, entry.number), _as_text(entry), now)
        if entry.file:
            uow.cursors.set(f"{_FILES}{entry.file}/{case.ref}/{entry.number}", "", now)
        uow.commit()
    return case


def _tidied(link: Link) -> Link:
    """People paste from chats: of what stands in events, secrets are taken out."""
    said = {name: redact(str(getattr(link, name))) for name in ("topic", "made_by", "consent")}
    return Link(**said, listeners=link.listeners, kept_until=link.kept_until, address=link.address, file=link.file)


def unlink_recording(ledger: Ledger, ref: str, number: int, why: str, *, by: str) -> Case:
    """Take a recording out of the index, because somebody who is heard takes their consent back, or it is wrong.

    Raises BadInput where no such recording is linked, or nothing is said; UnknownCase.
    """
    if not says_something(why):
        raise BadInput("It is not said why the recording is not to be heard any more.", "Say it in a sentence.")
    with ledger.store.uow() as uow:
        case = uow.cases.get(ref)
        if not any(one.number == number and one.is_linked for one in recordings(case)):
            raise BadInput(f"{case.ref} has no recording {number} that is linked.", "Look at its page of recordings.")
        case = _end(uow, ledger.clock, case, number, Ends.TAKEN_BACK, redact(one_line(why)), by)
        uow.commit()
    return case


def say_there_is_none(ledger: Ledger, ref: str, because: str, *, by: str) -> Case:
    """No recording of the emergency's session was made, and why. Raises BadInput, UnknownCase."""
    if not says_something(because):
        raise BadInput(
            "E12: it is not said why no recording was made.",
            "Say it in a sentence; if there is one, link it with its address.",
        )

    def decide(case: Case) -> Sequence[Event]:
        number = is_asked_for(case)
        if not number:
            raise BadInput(f"{case.ref} asks for no recording.", "It is asked for once its emergency is over.")
        said = says.NoRecording(emergency=number, because=redact(one_line(because)))
        return [event_of(case.procedure.kind(says.NoRecording), ledger.clock(), by, dict(said))]

    return ledger.change(ref, decide)


def end_what_is_over(ledger: Ledger) -> list[str]:
    """Take out of the index each recording whose last day is over; gives the cases. Raises StoreError."""
    today, done = ledger.clock().date(), list[str]()
    for entry in _entries(ledger.store):
        if entry.kept_until >= today:
            continue
        with ledger.store.uow() as uow:
            try:
                case = uow.cases.get(entry.ref)
            except Unreadable:  # `caseproof case list` names it; nobody hears what is to be heard no more
                uow.cursors.forget(_name(entry.ref, entry.number))
                uow.commit()
                continue
            if any(one.number == entry.number and one.is_linked for one in recordings(case)):
                why = f"it was to be kept until {entry.kept_until.isoformat()}"
                _end(uow, ledger.clock, case, entry.number, Ends.TIME_IS_OVER, why, US)
                done.append(case.ref)
            uow.commit()
    return done


def _end(uow: UnitOfWork, clock: Clock, case: Case, number: int, because: Ends, why: str, by: str) -> Case:
    said = says.RecordingUnlinked(recording=number, because=str(because), why=why)
    uow.cursors.forget(_name(case.ref, number))  # the note of a file stays: nobody hears it any more
    return uow.cases.append(case, event_of(case.procedure.kind(says.RecordingUnlinked), clock(), by, dict(said)))


# -- the index -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for in the index: words, each of which stands in an entry; a product; a criterion in words."""

    words: str = ""
    product: str = ""
    criterion: str = ""


def training_index(store: Store, wanted: Wanted = Wanted()) -> list[Entry]:
    """What is linked, the latest first, whoever may hear it: who shows it, shows each person what they may hear.

    Raises StoreError.
    """
    words = one_line(wanted.words).casefold().split()
    found = [entry for entry in _entries(store) if all(word in entry.words for word in words)]
    if wanted.product:
        found = [entry for entry in found if entry.product.casefold() == wanted.product.casefold()]
    if wanted.criterion:
        found = [entry for entry in found if wanted.criterion in entry.criteria]
    return sorted(found, key=lambda entry: (entry.at, entry.ref, entry.number), reverse=True)


def heard_by(entries: Sequence[Entry], policy: Policy, name: str) -> list[Entry]:
    """Those of them that this person may hear; none for nobody."""
    tiers = tiers_of(policy, name) if name.strip() else ()
    return [entry for entry in entries if may_hear(entry.listeners, name, tiers)]


def may_have_file(store: Store, policy: Callable[[], Policy], digest: str, name: str) -> bool:
    """Whether this person may have an evidence file: everybody may, but for a recording, and one whose time is over.

    The policy is read for a recording alone. Raises StoreError.
    """
    with store.reading() as uow:
        linked = [one.removeprefix(_FILES).split("/")[1:] for one in uow.cursors.names(f"{_FILES}{digest}/")]
        if not linked:
            return True
        notes = [uow.cursors.get(_name(ref, int(number))) for ref, number in linked]
    return bool(heard_by([_read(note[0]) for note in notes if note is not None], policy(), name))


def _entries(store: Store) -> list[Entry]:
    with store.reading() as uow:
        return [_read(value) for value, _ in uow.cursors.below(_INDEX).values()]


def _entry(case: Case, said: says.RecordingLinked, link: Link, now: datetime, by: str) -> Entry:
    raised = [fact for fact in case.all_of(emergency.EmergencyRaised) if fact.data["emergency"] == said["emergency"]]
    held = {one["criterion"] for fact in raised for one in fact.data["criteria"]}
    facts = case.procedure.listed_as(case.facts)
    return Entry(
        ref=case.ref,
        number=said["recording"],
        topic=said["topic"],
        product=str(facts.get("platform") or ""),
        client=str(facts.get("retailer") or ""),
        criteria=tuple(sentence for one, sentence in CRITERIA.items() if one in held),
        made_by=said["made_by"],
        linked_by=by,
        at=now,
        listeners=tuple(said["listeners"]),
        kept_until=date.fromisoformat(said["kept_until"]),
        address=link.address.strip(),
        file=link.file.strip(),
    )


def _name(ref: str, number: int) -> str:
    return f"{_INDEX}{ref}/{number}"


def _as_text(entry: Entry) -> str:
    told = asdict(entry) | {"at": entry.at.isoformat(), "kept_until": entry.kept_until.isoformat()}
    return json.dumps(told, ensure_ascii=False)


def _read(text: str) -> Entry:
    told = json.loads(text)
    told |= {"at": datetime.fromisoformat(told["at"]), "kept_until": date.fromisoformat(told["kept_until"])}
    return Entry(**told | {name: tuple(told[name]) for name in ("criteria", "listeners")})


def products_in(entries: Collection[Entry]) -> list[str]:
    """The products that these are about, sorted."""
    return sorted({entry.product for entry in entries if entry.product}, key=str.casefold)
