"""Letters that were sent, as the store knows them, and what their readers do on the confirmation page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import unescape
from typing import Any

from caseproof.channels.outbound.mail import Send
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.signing import answer_token
from caseproof.procedure.core.services import Services
from caseproof.procedure.notify.mail_pace import paced

SHOP = "shop@example.com"
WORDS = "I gave the connection its permission again on Thursday."


def stopped(services: Services, ref: str) -> str:
    """The case once its job is stopped (J2); the next is to tell the retailer."""
    job = services.ledger.case(ref).facts["job"]
    stop = services.files.keep_json(ref, "stop.json", {"job": job, "active": False})
    jobs = [{"job": job, "name": job, "was_active": True, "active": False, "waiting": 0}]
    services.ledger.record(ref, Kind.STOPPED, scope="job", jobs=jobs, evidence=stop)
    return ref


def at_its_pace(services: Services, send: Send) -> Send:
    """What sends mail at the pace of this home, as the tasks do."""
    mail, home = services.policy.mail, services.settings.home_folder
    return paced(send, per_minute=mail.per_minute, home=home, clock=services.clock, sleep=services.sleep)


def register(services: Services, address: str = SHOP, retailer: str = "Shop A", **said: str) -> None:
    """Let this address speak for the retailer."""
    with services.store.uow() as uow:
        uow.people.add_contact(retailer, address, **said)
        uow.commit()


def write_letters(services: Services, *refs: str, to: Sequence[str] = (SHOP,), which: str = "1") -> dict[str, Any]:
    """Write down that one notice told of these cases, a letter a contact; gives what the notice's event says."""
    lead = refs[0]
    name = f"{lead.lower()}.{which}.notice"
    kept = services.vault.put(f"Subject: {name}\r\n\r\nPlease renew.".encode(), "notice.eml", "message/rfc822")
    told: dict[str, Any] = {
        "evidence": kept.digest, "message_id": f"<{name}@example.com>", "to": list(to), "cases": list(refs),
        "asks": True, "accepted": list(to), "refused": {},
    }  # fmt: skip
    key = f"{lead}/{which}/notice"
    with services.store.uow() as uow:
        uow.intents.claim(key, lead, "notice", owner="t", now=services.clock(), seconds=60, plan=told)
        uow.intents.finish(key, owner="t", result=told, now=services.clock())
        for ref in refs:
            uow.evidence.add(ref, kept.digest, "notice.eml", "message/rfc822", kept.size, services.clock())
        uow.commit()
    return told


def send_notice(services: Services, *refs: str, to: Sequence[str] = (SHOP,), which: str = "1") -> str:
    """Let these cases tell their retailer, in letters as above; gives the name of the first letter."""
    told = write_letters(services, *refs, to=to, which=which)
    for ref in refs:
        services.ledger.record(ref, Kind.NOTICE_SENT, **told)
    return name_of(told)


def name_of(told: Mapping[str, Any]) -> str:
    """The name of the first letter of a notice."""
    return str(told["message_id"]).strip("<>").partition("@")[0]


def link_of(services: Services, letter: str, days: float = 60) -> str:
    """The token of a letter's link; it holds for this many days from now."""
    return answer_token(services.secret, letter, services.clock() + timedelta(days=days))


def hidden_fields(html: str) -> dict[str, Any]:
    """What the form on a page sends by itself: its hidden fields, and the boxes that are ticked."""
    fields: dict[str, Any] = {"job": re.findall(r'type="checkbox"[^>]* value="([^"]*)" checked', html)}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html):
        if name == "job":
            fields["job"].append(unescape(value))
        else:
            fields[name] = unescape(value)
    return fields


def answers(case: Any) -> list[Any]:
    """What came from retailers about a case, as events."""
    return [event for event in case.events if event.kind in (Kind.CONFIRMATION_RECEIVED, Kind.REPLY_RECEIVED)]
