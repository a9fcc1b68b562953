"""All checks of an installation, in the order in which a person would put things right."""

from __future__ import annotations

import platform as this
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from caseproof.channels.inbound.imap_account import ImapAccount
from caseproof.channels.outbound.mail import MailAccount
from caseproof.channels.outbound.samples import check_templates
from caseproof.channels.teams.webhook import TeamsWebhook
from caseproof.channels.voice.twilio import TwilioVoice
from caseproof.config import kept_key
from caseproof.config.clock import utc_now
from caseproof.config.policy import Policy
from caseproof.config.settings import Settings
from caseproof.desks.base import Desk
from caseproof.doctor import doors, machine, outside, reaching, web_doors
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Examination, Failed, Finding, Row
from caseproof.doctor.prefect import Pool, PrefectAccess, PrefectChecks, WantedDeployment
from caseproof.doctor.store import StoreChecks
from caseproof.evidence.answer_keys import AnswerKeys
from caseproof.evidence.screenshot import photograph
from caseproof.evidence.vault import Vault
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.core.services import Services, refuse_stopped

IMPORTS_SECONDS = 30.0
"""What loads the Prefect library first may take this long on a busy machine."""
BROWSER_SECONDS = 30.0
FOLD_SECONDS = 30.0
LIST_SECONDS = 60.0
"""How long a platform may take to list all its jobs."""


@dataclass(frozen=True)
class Installation:
    """What is examined, as plain values and what reads them; who knows Prefect fills it in.

    ``account``, ``mailbox`` and ``desk`` load what the policy names, ``voice`` and ``teams`` the block of a name,
    ``platforms`` lists what is saved, each loaded when it is called; they raise errors for people. ``lock`` is None
    where there is no lock file.
    """

    settings: Settings
    lock: Path | None
    prefect: Callable[[], PrefectAccess]
    deployments: Callable[[], Sequence[WantedDeployment]]
    account: Callable[[Policy], MailAccount]
    mailbox: Callable[[Policy], ImapAccount]
    desk: Callable[[Services], Desk]
    platforms: Callable[[], Mapping[str, Callable[[], JobPlatform]]]
    voice: Callable[[str], TwilioVoice]
    teams: Callable[[str], TeamsWebhook]
    pool: str = "caseproof"
    emergency_pool: str = "caseproof-emergency"
    python: str = this.python_version()
    camera: machine.Camera = photograph
    words: Callable[[], str] = check_templates


def examine(here: Installation) -> list[Finding]:
    """Look the installation over; changes nothing, sends nothing, and is back within a minute or two at the worst."""
    with ExitStack() as stack:
        look = _Look(here, stack.enter_context(Examination()), stack)
        look.at_the_machine()
        look.at_prefect()
        look.at_the_store()
        look.at_mail_and_desk()
        look.at_the_platforms()
        look.at_who_is_called()
        look.at_the_web_app()
        look.at_the_clocks()
        return look.findings()


class _Look:
    """One examination on its way: what earlier checks found, for the later ones."""

    def __init__(self, here: Installation, examination: Examination, stack: ExitStack) -> None:
        self._here = here
        self._start = examination.start
        self.findings = examination.findings
        self._stack = stack
        self._clocks = Clocks()
        self._with_clock: list[Row] = []
        self._home: Row
        self._policy_row: Row
        self._prefect: Row
        self._store_row: Row
        self._policy: Policy | None = None
        self._store: StoreChecks | None = None

    def at_the_machine(self) -> None:
        here = self._here
        self._start("Python", lambda: machine.right_python(here.python))
        self._start("Packages", lambda: machine.right_packages(here.lock), seconds=FOLD_SECONDS)
        self._home = self._start("Home folder", lambda: machine.usable_home(here.settings))
        self._start("Private files", lambda: machine.private_files(here.settings), after=[self._home])
        self._start("Disk space", lambda: machine.room_left(here.settings), after=[self._home])
        # A policy of one's own may lie elsewhere; the default one is looked for in the home folder.
        needs = [] if here.settings.policy else [self._home]
        self._policy_row = self._start("Policy", self._read_policy, after=needs)
        self._start(
            "Browser",
            lambda: machine.browser_takes_pictures(here.settings, here.camera),
            after=[self._home],
            seconds=BROWSER_SECONDS,
        )

    def _read_policy(self) -> str:
        path, self._policy = machine.valid_policy(self._here.settings)
        return path

    def at_prefect(self) -> None:
        here = self._here
        checks = PrefectChecks(here.prefect, self._clocks)
        self._stack.callback(checks.close)
        address = self._start("Prefect address", checks.address, seconds=IMPORTS_SECONDS)
        self._prefect = self._start("Prefect server", checks.server, after=[address])
        self._start("Prefect version", checks.version, after=[self._prefect])
        self._start(
            "Prefect password", lambda: doors.prefect_asks_for_a_password(checks.api_url), after=[self._prefect]
        )
        self._start(
            "Prefect origins",
            lambda: doors.prefect_lets_no_other_page_in(checks.api_url),
            after=[self._prefect],
            seconds=30,
        )
        self._start("Prefect pages", checks.pages, after=[self._prefect], seconds=20)
        cases = Pool(here.pool, "no case moves")
        emergencies = Pool(here.emergency_pool, "no emergency is raised by its form in Prefect, or shown there")
        pool = self._start("Work pool", partial(checks.work_pool, cases), after=[self._prefect])
        own = self._start("Emergency pool", partial(checks.work_pool, emergencies), after=[self._prefect])
        deployments = partial(checks.deployments, here.deployments)
        self._start("Deployments", deployments, after=[pool, own], seconds=IMPORTS_SECONDS)
        self._start("Worker", partial(checks.worker, cases), after=[pool])
        self._start("Emergency worker", partial(checks.worker, emergencies), after=[own])
        self._with_clock.append(self._prefect)

    def at_the_store(self) -> None:
        # A database of one's own may be elsewhere; the default one is a file in the home folder.
        needs = [] if self._here.settings.database_url else [self._home]
        self._store_row = self._start("Store", self._open_store, after=needs, seconds=15)
        self._start("Store takes writes", lambda: self._checks.writes(), after=[self._store_row], seconds=15)
        self._start("Cases unedited", lambda: self._checks.unedited(), after=[self._store_row], seconds=FOLD_SECONDS)
        self._start(
            "Keeper",
            lambda: self._checks.kept(self._known_policy.times.keeper_minutes),
            after=[self._policy_row, self._store_row],
            seconds=15,
        )
        self._start("Key of links", self._key, after=[self._home, self._store_row], seconds=15)
        self._start(
            "Evidence",
            lambda: self._checks.evidence(self._vault),
            after=[self._home, self._store_row],
            seconds=FOLD_SECONDS,
        )
        self._with_clock.append(self._store_row)

    def _open_store(self) -> str:
        refuse_stopped(self._here.settings)
        self._store = StoreChecks(self._here.settings.database, self._clocks)
        self._stack.callback(self._store.store.close)
        return self._store.revision()

    def _key(self) -> str:
        keys = AnswerKeys(self._here.settings.home_folder / kept_key.FOLDER, self._checks.store, utc_now)
        found = keys.refuse_another()
        return f"The key in {keys.path} is the one in force ({found})" if found else "None was needed yet"

    @property
    def _checks(self) -> StoreChecks:
        if self._store is None:
            raise Failed("The store was not opened.", "Look at the check 'Store'.")
        return self._store

    @property
    def _vault(self) -> Vault:
        return Vault(self._here.settings.home_folder / "evidence")

    def _services(self, policy: Policy) -> Services:
        return Services(self._here.settings, policy, self._checks.store, self._vault)

    def at_mail_and_desk(self) -> None:
        needs = [self._policy_row, self._prefect]
        self._start("Words of mail", self._here.words, seconds=FOLD_SECONDS)
        self._start("Mail server", self._mail, after=needs, seconds=20)
        self._start("Mailbox", self._mailbox, after=needs, seconds=20)
        # As many desks as the policy names, one after the other.
        self._with_clock.append(self._start("Desk", self._desk, after=[*needs, self._store_row], seconds=30))
        # After what is owed to: an account that is missing is named first, and not the mail that waits for it.
        self._start("Nothing owed", lambda: self._checks.nothing_owed(), after=[self._store_row], seconds=15)

    def _mail(self) -> str:
        policy = self._known_policy
        return outside.mail_server(policy.mail.account, lambda: self._here.account(policy))

    def _mailbox(self) -> str:
        policy = self._known_policy
        return outside.mailbox(policy.answers.mailbox, lambda: self._here.mailbox(policy))

    def _desk(self) -> str:
        policy = self._known_policy
        names = dict.fromkeys((policy.desk, policy.desk_of("SC"), policy.development_desk))
        return "; ".join(self._desk_called(policy, name) for name in names)

    def _desk_called(self, policy: Policy, name: str) -> str:
        there = policy.model_copy(update={"desk": name})
        return outside.desk(name, lambda: self._here.desk(self._services(there)), self._clocks)

    @property
    def _known_policy(self) -> Policy:
        if self._policy is None:
            raise Failed("The policy was not read.", "Look at the check 'Policy'.")
        return self._policy

    def at_the_platforms(self) -> None:
        found: dict[str, Callable[[], JobPlatform]] = {}

        def list_them() -> str:
            found.update(self._here.platforms())
            return outside.saved_platforms(found, needed=bool(found) or self._needs_a_platform())

        listed = self._start("Platforms", list_them, after=[self._prefect], seconds=IMPORTS_SECONDS)
        if listed.finding.ok:
            for name, load in found.items():
                probe = partial(outside.platform, name, load, self._clocks)
                answers = self._start(f"Platform {name}", probe, seconds=20)
                self._with_clock.append(answers)
                self._start(f"Pages of {name}", partial(outside.pages, name, load), after=[answers], seconds=20)
                told = partial(self._contacts, name, load)
                self._start(f"Contacts of {name}", told, after=[answers, self._store_row], seconds=LIST_SECONDS)

    def _needs_a_platform(self) -> bool:
        """Unless the team has support cases alone: it named people for them, and no job was ever looked after."""
        if not (self._policy_row.finding.ok and self._store_row.finding.ok):
            return True
        ladder, on_call = self._known_policy.ladder, self._known_policy.on_call
        return not (ladder.address or ladder.people or on_call.people) or self._checks.knows_jobs()

    def _contacts(self, name: str, load: Callable[[], JobPlatform]) -> str:
        return outside.contacts(name, load, self._checks.store)

    def at_who_is_called(self) -> None:
        known, needs = [self._policy_row], [self._policy_row, self._prefect]
        listed = self._start("Call list", lambda: reaching.call_list(self._known_policy), after=known)
        read = self._start("On-call calendars", self._calendars, after=known, seconds=LIST_SECONDS)
        self._start("Cover", self._cover, after=[read], seconds=FOLD_SECONDS)
        self._start("Numbers reached", self._reached, after=[listed, self._store_row], seconds=FOLD_SECONDS)
        self._start("Voice", self._voice, after=needs, seconds=40)
        self._start("Teams", self._teams, after=needs, seconds=20)
        self._start("Kept channels", self._kept, after=[listed])

    def _calendars(self) -> str:
        return reaching.calendars(self._known_policy, self._here.settings.home_folder, utc_now())

    def _cover(self) -> str:
        return reaching.cover(self._known_policy, self._here.settings.home_folder, utc_now())

    def _reached(self) -> str:
        return reaching.reached(self._known_policy, self._checks.store)

    def _kept(self) -> str:
        return reaching.kept(self._known_policy, self._here.settings.home_folder)

    def _voice(self) -> str:
        return reaching.voice(self._known_policy, self._here.settings, self._here.voice)

    def _teams(self) -> str:
        return reaching.teams(self._known_policy, self._here.teams)

    def at_the_web_app(self) -> None:
        checks = outside.WebChecks(self._here.settings, self._clocks)
        self._stack.callback(checks.close)
        answers = self._start("Web app", checks.answers)
        needs = [answers, self._store_row]
        secret = self._secret
        self._start("Web app's store", lambda: checks.same_store(self._checks.store, secret), after=needs)
        page = partial(outside.confirmation_page, self._here.settings, self._clocks)
        settings = self._here.settings
        addresses = self._start("Web addresses", lambda: web_doors.addresses(settings))
        self._with_clock += [answers, self._start("Confirmation page", page, after=[answers, addresses])]
        self._start("Web host names", lambda: web_doors.host_names(settings))
        self._start("Whose word on a login", lambda: web_doors.whose_word(settings))
        known = [self._policy_row, self._store_row]
        self._start(
            "Logins", lambda: web_doors.logins(settings, self._services(self._known_policy).logins), after=known
        )

    def _secret(self) -> bytes | None:
        return self._services(self._known_policy).keys.known()

    def at_the_clocks(self) -> None:
        for row in self._with_clock:
            row.future.result()  # well or not: what they read of a clock counts
        self._start("Clocks", self._clocks.compare)
