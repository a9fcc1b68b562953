"""The systems around us: the mail server, the desk, the platforms, and the web app as a retailer reaches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from caseproof.channels.inbound import imap
from caseproof.channels.inbound.imap_account import ImapAccount
from caseproof.channels.outbound.languages import words
from caseproof.channels.outbound.mail import MailAccount, probe
from caseproof.config.clock import utc_now
from caseproof.config.settings import Settings, is_loopback
from caseproof.desks.base import Desk
from caseproof.doctor.calls import Caller
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Failed, Skipped, blaming
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.core.contact_list import HOW_TO_REGISTER, nobody_to_tell, without_contact
from caseproof.procedure.core.health_key import HEALTH_KEY, health_key
from caseproof.store import Store

MAIL_SECONDS = 4.0
"""How long the mail server may take for a step; a sending itself is more patient (policy.yaml)."""
MAILBOX_SECONDS = 8.0
"""How long the mailbox may take for a step: a login over IMAP is slower."""
_SAME = "Start the web app with the same CASEPROOF_HOME and CASEPROOF_DATABASE_URL as here."
_SAME_KEY = "Start the web app with the same CASEPROOF_HOME as here: the key lies in its `keys` folder."
_WEB = (
    "Start it with `caseproof up` or `caseproof web`; see that CASEPROOF_PUBLIC_URL (else CASEPROOF_WEB_URL) is the "
    "address where it can be reached from outside, and that a proxy before it passes everything on."
)


def mail_server(name: str, load: Callable[[], MailAccount]) -> str:
    """Whether the mail account's server greets us and takes the login. Nothing is sent."""
    account = load()
    with blaming(f"Mail account '{name}'"):
        probe(replace(account, timeout_seconds=min(account.timeout_seconds, MAIL_SECONDS)))
    login = "the login is right" if account.username is not None else "no login is set"
    return f"'{name}': {account.where} answers over {account.security}, {login}; no mail was sent"


def mailbox(name: str, load: Callable[[], ImapAccount]) -> str:
    """Whether the mailbox that retailers answer to lets us in, and its folder is there. Nothing is read or moved."""
    if not name:
        return "no mailbox is named in the policy (answers.mailbox): nobody reads what retailers write"
    account = load()
    with blaming(f"Mailbox '{name}'"):
        probed = imap.probe(replace(account, timeout_seconds=min(account.timeout_seconds, MAILBOX_SECONDS)))
    if not account.authserv:
        raise Failed(
            f"Mailbox '{name}': no name of your mail server is set (authserv), so no mail counts as genuine, and every "
            "answer by mail waits for a person.",
            "Open a mail that arrived there, look for Authentication-Results, and save its first word in the mailbox.",
        )
    made = "" if probed.has_done_folder else f", {account.done_folder} is made when the first one is taken in"
    return (
        f"'{name}': {account.where} lets us in over {account.security}, {probed.waiting} messages in "
        f"{account.folder}{made}; {account.authserv} says whose mail is genuine"
    )


_PAGE = (
    "See that CASEPROOF_ANSWER_URL is the address where retailers reach the web app, and that a proxy before it passes "
    "/answer/ and /static/ on with the Host as it is (docs/confirmation-page.md)."
)


def confirmation_page(settings: Settings, clocks: Clocks) -> str:
    """Whether the page that mail to retailers links to stands there, and no case beside it."""
    if settings.answers is None:
        return "mail to retailers links to no page; set CASEPROOF_ANSWER_URL to an address that they can open"
    with closing(Caller(settings.answers, "The confirmation page", clocks, next_action=_PAGE)) as call:
        page, cases = call("GET", "answer/doctor", headers={"Accept-Language": "en"}), call("GET", "cases")
    if words("en", "page")["broken_title"] not in page.text:
        raise Failed(f"{call.address}/answer/ is not the confirmation page (HTTP {page.status}).", _PAGE)
    outside = "; a retailer outside cannot open a loopback address" if is_loopback(settings.answers) else ""
    beside = (
        "; the cases stand there too, and have no login: give it a host name of its own" if cases.is_success else ""
    )
    return f"{call.address}/answer/ answers{outside}{beside}"


def desk(name: str, load: Callable[[], Desk], clocks: Clocks) -> str:
    """Whether the desk answers, lets us in, and lets us do what a case needs."""
    before = utc_now()
    with blaming(f"Desk '{name}'"):
        probed = load().probe()
        _refuse_lacks(probed.lacks)
    clocks.note(f"desk '{name}'", before, probed.clock, utc_now())
    return f"'{name}': {probed.found}"


def _refuse_lacks(lacks: Sequence[str]) -> None:
    """Raises Failed where a case would lack something, a right mostly: each sentence says what to do about it."""
    if lacks:
        raise Failed(
            " ".join(lacks), "Do what it says (our account gets its rights there), then run `caseproof doctor` again."
        )


def saved_platforms(platforms: Mapping[str, Any], needed: bool = True) -> str:
    """Whether there is a platform at all; where none is ``needed``, that there is none is said."""
    if not platforms and not needed:
        return "none is saved: there are support cases and emergencies alone, and no job is looked after"
    if not platforms:
        raise Failed(
            "There is no platform yet, so there is no job to open a case for.",
            "`caseproof setup FILE.yaml` saves one; or save a block of a platform in the Prefect UI, under Blocks.",
        )
    return f"{len(platforms)} saved: {', '.join(platforms)}"


def platform(name: str, load: Callable[[], JobPlatform], clocks: Clocks) -> str:
    """Whether the platform answers, lets us in, shows its jobs, and lets us do what a case needs."""
    before = utc_now()
    with blaming(f"Platform '{name}'"):
        probed = load().probe()
        _refuse_lacks(probed.lacks)
    clocks.note(f"platform '{name}'", before, probed.clock, utc_now())
    return f"'{name}': {probed.found}"


def contacts(name: str, load: Callable[[], JobPlatform], store: Store) -> str:
    """Whether there is somebody to tell at every retailer whose jobs the platform lists, before one of them fails."""
    with blaming(f"Platform '{name}'"):
        jobs = load().survey(utc_now()).jobs
    told = nobody_to_tell(without_contact(store, (listed.job.retailer for listed in jobs)))
    if told:
        raise Failed(f"Platform '{name}': {told}", HOW_TO_REGISTER)
    return f"'{name}': every retailer of its {len(jobs)} jobs has a contact"


def pages(name: str, load: Callable[[], JobPlatform]) -> str:
    """Whether a browser is shown the platform's runs, of which the pictures are taken."""
    with blaming(f"Platform '{name}'"):
        return load().probe_pages()


class WebChecks:
    """The web app at the address that links in mail start with."""

    def __init__(self, settings: Settings, clocks: Clocks) -> None:
        self._public = settings.public
        self._needs_login = not settings.is_for_this_machine
        self._call = Caller(settings.public, "The web app", clocks, next_action=_WEB)
        self._health: dict[str, Any] = {}
        self._key = ""

    def close(self) -> None:
        """Close the connections."""
        self._call.close()

    def answers(self) -> str:
        """Whether it answers, is Caseproof, and is of this version."""
        self._health = told = self._read_health()
        if "version" not in told:
            return f"{self._call.address} answers, and tells a stranger no more"
        self._refuse_another_version(told)
        remark = "; a retailer outside cannot open it: set CASEPROOF_PUBLIC_URL" if is_loopback(self._public) else ""
        return f"{self._call.address} is Caseproof {told['version']}{remark}"

    def _refuse_another_version(self, told: Mapping[str, Any]) -> None:
        if told["version"] != version("caseproof"):
            raise Failed(
                f"The web app at {self._call.address} is Caseproof {told['version']}; installed here is "
                f"{version('caseproof')}.",
                "Restart the web app, or install one version everywhere.",
            )

    def same_store(self, store: Store, secret: Callable[[], bytes | None]) -> str:
        """Whether it reads the store that we read: as many open cases, and the newest case.

        A web app that asks for a login tells it whoever has its ``secret``, the key in `keys/answers` of its home.
        """
        if self._needs_login:
            if (known := secret()) is None:
                raise Skipped("it tells that to whoever has this home's key of links, and there is none yet")
            self._key = health_key(known)
            self._health = self._read_health()
            if self._health["status"] == "ok" and "version" not in self._health:
                raise Failed(
                    f"The web app at {self._call.address} is of another home, or has another key: it does not know "
                    "our signature.",
                    _SAME_KEY,
                )
            if "version" in self._health:
                self._refuse_another_version(self._health)
        if self._health["status"] != "ok":
            raise Failed(
                f"The web app at {self._call.address} cannot read its store: {self._health.get('store')}",
                str(self._health.get("next_action") or _WEB),
            )
        newest, counts, told = "", (-1, -2), self._health
        for _ in range(2):  # a case may be opened or closed between the two looks
            with store.reading() as uow:
                rows = uow.cases.rows()
            newest = rows[-1].ref if rows else ""
            told = self._read_health()
            counts = (sum(row.closed_at is None for row in rows), told.get("cases_open", -1))
            if counts[0] == counts[1]:
                break
        shown = not newest or (
            told.get("newest") == newest if self._needs_login else self._call("GET", f"cases/{newest}").is_success
        )
        if counts[0] != counts[1] or not shown:
            what = f"does not know {newest}" if not shown else f"has {counts[1]} open cases, we have {counts[0]}"
            raise Failed(
                f"The web app at {self._call.address} reads another store: it {what}.",
                _SAME,
            )
        return f"{counts[0]} open cases there and here" + (f", and {newest} has its page" if newest else "")

    def _read_health(self) -> dict[str, Any]:
        answer = self._call("GET", "health", headers={HEALTH_KEY: self._key} if self._key else None)
        found = answer.json()
        told: dict[str, Any] = found if isinstance(found, dict) else {}
        if not (("version" in told or self._needs_login) and told.get("status") in ("ok", "down")):
            raise Failed(
                f"What answers at {self._call.address} is not Caseproof's web app (it answered {answer.status}).",
                _WEB,
            )
        return told
