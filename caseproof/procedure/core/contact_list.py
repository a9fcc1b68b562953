"""A list of contacts goes into the store: each line checked, all or none; and whose jobs have none there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from caseproof.channels.outbound.languages import require_language
from caseproof.config.contacts_file import ContactLine, ContactsError
from caseproof.config.mail_address import comparable, tidied, usable_address
from caseproof.domain.errors import BadInput
from caseproof.domain.spelling import alike
from caseproof.store import Store, UnitOfWork
from caseproof.store.people import Contact, People, kept_of

_NEARLY_THE_SAME = 0.8
NEW, AS_IT_IS = "new", "as it is"


def put_contacts(people: People, lines: Sequence[ContactLine], source: str, at: datetime) -> list[str]:
    """Add the contacts in this unit of work, at this time; for each NEW, AS_IT_IS, or "changed: " and what.

    One that is as it is stays so: mail that came back is not forgotten because a list is read again. Whether it all
    lasts, the caller decides. Raises ContactsError, which names every line that cannot be used; then nothing may be
    committed.
    """
    states, wrong = [], []
    first: dict[tuple[str, str], str] = {}
    saved: dict[str, dict[str, Contact]] = {}
    for line in lines:
        key = (line.retailer, comparable(line.address))
        try:
            _refuse_unusable(line, first.get(key))
            first[key] = line.where
            if line.retailer not in saved:
                saved[line.retailer] = {comparable(one.address): one for one in people.contacts(line.retailer)}
            state = _compared(saved[line.retailer].get(key[1]), line)
            if state != AS_IT_IS:
                people.add_contact(line.retailer, line.address, line.name, line.language, line.role, at=at)
        except BadInput as error:
            what_to_do = f". {error.next_action}" if error.next_action else ""
            wrong.append(f"{line.where}: {error.problem.rstrip('.')}{what_to_do}")
            continue
        states.append(state)
    if wrong:
        raise ContactsError(
            f"{source} cannot be used, and nothing was changed:\n" + "\n".join(f"  {line}" for line in wrong),
            "Correct this and give the file again.",
        )
    return states


def put_contact(
    people: People, retailer: str, address: str, name: str = "", language: str = "", role: str = "", *, at: datetime
) -> list[str]:
    """Add one contact in this unit of work; the retailers whose names are alike, where this one is new.

    Once more, it changes what is given, and forgets that mail came back. Raises BadInput for what cannot be used.
    """
    kept_of(name, language, role)
    require_language(language)
    others = people.retailers()
    is_new = not any(one == retailer.strip() for one in others)
    people.add_contact(retailer, address, name, language, role, at=at)
    return nearly_the_same(retailer, others) if is_new else []


def nearly_the_same(retailer: str, others: Iterable[str]) -> list[str]:
    """The other retailers whose names are spelt so much alike that this one may be a slip."""
    return alike(retailer, (one for one in others if one != retailer.strip()), _NEARLY_THE_SAME)


def correct_contact(people: People, retailer: str, address: str, name: str, language: str, role: str) -> None:
    """What is kept of a contact is this, also where it is empty. Raises BadInput for what cannot be, or no contact."""
    require_language(language)
    people.correct_contact(retailer, address, name, language, role)


def forget_bounce(uow: UnitOfWork, retailer: str, address: str) -> None:
    """Mail to this contact is sent again although it came back, and what waited for that is tried at once.

    Raises BadInput where it is no contact.
    """
    if uow.people.contact(retailer, address) is None:
        uow.people.refuse_unknown(retailer, address)
    uow.people.clear_bounce(retailer, address)
    uow.owed.contact_came(retailer)


def _compared(before: Contact | None, line: ContactLine) -> str:
    """What the line does to the contact as it is. Raises BadInput for what cannot be kept."""
    said = kept_of(line.name, line.language, line.role)
    require_language(line.language)
    if before is None:
        return NEW
    changed = [name for name, value in said.items() if value and value != getattr(before, name)]
    return f"changed: {', '.join(changed)}" if changed else AS_IT_IS


def _refuse_unusable(line: ContactLine, first: str | None) -> None:
    """Raises BadInput for a line that is wrong in itself, or stands at ``first`` already."""
    if line.wrong:
        raise BadInput(line.wrong)
    if not line.retailer or not line.address:
        missing = "address" if line.retailer else "retailer"
        raise BadInput(f"the {missing} is missing", "Fill it in, or delete the line.")
    usable_address(line.address)
    if first:
        raise BadInput(f"{line.address} of {line.retailer} stands in {first} already", "Keep one of them.")


# -- whom nobody could tell -------------------------------------------------------------------------------------------

NAMED = 10
"""So many retailers are named."""


def without_contact(store: Store, retailers: Iterable[str | None]) -> Mapping[str, int]:
    """The retailers of jobs (one name a job) of whom nobody is registered, each with the number of its jobs.

    A job that names no retailer is left out. Raises StoreError.
    """
    jobs = Counter(name for name in retailers if name and tidied(name))
    with store.reading() as uow:
        known = uow.people.with_contacts()
    return {name: jobs[name] for name in sorted(jobs) if tidied(name) not in known}


def nobody_to_tell(missing: Mapping[str, int]) -> str:
    """What is wrong with these, in a sentence; "" where there are none."""
    if not missing:
        return ""
    told = [f"{name} ({count} jobs)" if count > 1 else f"{name} (1 job)" for name, count in missing.items()]
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return f"No contact is registered for {', '.join(told[:NAMED])}{more}: where a job of theirs fails, nobody is told."


HOW_TO_REGISTER = (
    "The web app's page Contacts, `caseproof contact add --retailer NAME --address ADDRESS`, or `caseproof contact "
    "import FILE`."
)
