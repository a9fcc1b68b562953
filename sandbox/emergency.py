"""An emergency on this machine: simulated telephones and Teams, a mail server, the web app and the pager; no Prefect.

``caseproof demo --emergency`` plays one: the first two do not answer, a machine does, and the fourth presses 1.
"""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.panel import Panel

from caseproof.channels.kept_channels import KeptChannels, keep_channels, kept_channels
from caseproof.channels.outbound.mail import MailAccount
from caseproof.channels.teams.webhook import TeamsHook
from caseproof.channels.voice.twilio import TwilioAccount
from caseproof.cli.common import out, safe
from caseproof.config.private_files import close_home
from caseproof.config.settings import Settings
from caseproof.domain.emergency.paging import Attempt, Paging
from caseproof.domain.emergency.raising import Raising, ShortCase, Sighting
from caseproof.domain.emergency.review import review_of
from caseproof.domain.emergency.vocabulary import Criterion, OwnLadder
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.procedure.escalation.opening import short_case_opener
from caseproof.procedure.paging.installed import parts_of
from caseproof.procedure.paging.ports import raise_by
from caseproof.procedure.paging.raising import end_emergency, standing
from caseproof.procedure.paging.review import steps_of
from caseproof.up.plan import EMERGENCY_POOL, POOL
from caseproof.up.prefect_services import CASES_WORKER, deploy_command
from caseproof.up.processes import Process, free_port, wait_until
from sandbox.mailbox import Mailbox
from sandbox.processes import PrefectServer, clean_env, start_prefect_server, start_worker
from sandbox.provider import running
from sandbox.teams import PATH, QUERY, Teams
from sandbox.telephones import ACCOUNT, CALLER, TOKEN, Person, Telephones
from sandbox.world import ROOT

ON_CALL = ("first on call", "second on call", "third on call", "fourth on call")
NUMBERS = {name: f"+4420794601{place:02d}" for place, name in enumerate(ON_CALL)}
PRODUCT_TEAM = "product-team@example.com"
SITE = "shop.example.com"
MAIL, TEAMS, VOICE = "mail", "teams", "voice"
"""The blocks of the policy, where there is a Prefect."""
NO_PREFECT = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_UI_URL": ""}
"""Nobody listens there."""


@dataclass
class EmergencyWorld:
    """A home, what people are reached by, and where the web app answers."""

    home: Path
    telephones: Telephones
    teams: Teams
    mailbox: Mailbox
    web_url: str
    more_env: Mapping[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        """The whole environment of a person who works here; Prefect is down."""
        ours = {"CASEPROOF_HOME": str(self.home), "CASEPROOF_WEB_URL": self.web_url, "COLUMNS": "200"}
        theirs = {name: value for name, value in clean_env(self.home).items() if not name.startswith("CASEPROOF_")}
        return theirs | NO_PREFECT | ours | dict(self.more_env)

    @cached_property
    def services(self) -> Services:
        """The services of this home, for looking at its cases."""
        return bootstrap(Settings(home=self.home, web_url=self.web_url, database_url=None, policy=None))

    def start(self, name: str, *arguments: str) -> Process:
        """Start ``caseproof ARGUMENTS`` in a process of its own; what it says is in its log."""
        command = [sys.executable, "-m", "caseproof.cli", *arguments]
        return Process.start(name, command, cwd=ROOT, env=self.env(), log=self.home / "logs" / f"{name}.log")

    def paging(self, ref: str) -> Paging:
        """How the emergency stands."""
        return standing(self.services.ledger.case(ref))

    def called(self) -> list[str]:
        """Whom the telephones rang, in order."""
        who = {number: name for name, number in NUMBERS.items()}
        return [who.get(call.one("To"), call.one("To")) for call in self.telephones.calls]

    def mail_to(self, address: str) -> list[str]:
        """The subjects of the mail that somebody got."""
        return [str(one.parsed["Subject"]) for one in self.mailbox.messages if address in one.rcpt_tos]


def address_of(name: str) -> str:
    """Somebody's mail address."""
    return f"{name.partition(' ')[0]}@example.com"


@contextmanager
def emergency_world(
    home: Path, people: Mapping[str, Sequence[Person]], web: Callable[[EmergencyWorld], Process] | None = None
) -> Iterator[EmergencyWorld]:
    """A world in which these people are at their telephones, call by call; who is not named is away.

    The web app is a process of its own, unless ``web`` starts another.
    """
    home.mkdir(parents=True, exist_ok=True)
    close_home(home)
    (home / "policy.yaml").write_text(yaml.safe_dump(_policy()), encoding="utf-8")
    with ExitStack() as stack:
        scripts = {NUMBERS[name]: calls for name, calls in people.items()}
        telephones, twilio = stack.enter_context(running(Telephones(scripts)))
        teams, workflows = stack.enter_context(running(Teams()))
        mailbox = stack.enter_context(Mailbox(folder=home / "mailbox"))
        world = EmergencyWorld(home, telephones, teams, mailbox, f"http://127.0.0.1:{free_port()}")
        keep_channels(
            home,
            KeptChannels(
                MailAccount(mailbox.host, mailbox.port, "plain", None, "", timeout_seconds=2),
                TeamsHook(TEAMS, f"{workflows}{PATH}?{QUERY}"),
                (TwilioAccount(VOICE, ACCOUNT, TOKEN, CALLER, twilio),),
            ),
        )
        stack.callback(world.services.store.close)
        process = web(world) if web else world.start("web", "web")
        stack.callback(process.stop)
        process.wait_until_ready("the web app to answer", lambda: _healthy(f"{world.web_url}/health"))
        yield world


def _policy() -> dict[str, object]:
    people = [
        {"name": name, "mobile": number, "mail": address_of(name), "teams": address_of(name)}
        for name, number in NUMBERS.items()
    ]
    # Short, for who watches: a real ring is longer than a person here needs.
    paging = {
        "product_team": [PRODUCT_TEAM],
        "ring_seconds": 20,
        "pause_seconds": 1,
        "retry_seconds": 5,
        "message_seconds": 5,
    }
    named = {"teams": TEAMS, "voice": VOICE}
    team = ["operator", "team lead"]
    return {"team": team, "on_call": {"people": people}, "mail": {"account": MAIL}, "paging": paging | named}


def _healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def raise_here(world: EmergencyWorld, by: str = "operator") -> str:
    """Raise the emergency with a thirty-second case (E9), as the form does; the case's reference."""
    services = world.services
    seen = "The checkout says 500 in every browser."
    raising = Raising(
        site=SITE,
        sightings=(Sighting(Criterion.ORDERING_DOWN, seen),),
        since=services.clock() - timedelta(minutes=9),
        tried="restarted the web server; the payment page stays away",
        own_ladder=OwnLadder.USED,
        new_case=ShortCase("Example Foods", "Nobody can order anything."),
    )
    opener = short_case_opener(services.ledger, services.files, services.policy, SITE)
    return raise_by(parts_of(services), raising, by, opener).ref


@contextmanager
def prefect_beside(world: EmergencyWorld, *pools: str) -> Iterator[PrefectServer]:
    """A Prefect server for this world, with Caseproof's deployments and a warm worker for each of these pools."""
    with ExitStack() as stack:
        server = start_prefect_server(world.home / "server")
        stack.callback(server.stop)
        world.more_env = {name: value for name, value in server.env().items() if name.startswith("PREFECT_")}
        for pool in {*pools, POOL, EMERGENCY_POOL}:
            wait_until(f"the work pool {pool}", lambda pool=pool: server.api.ensure_pool(pool), 60)
        command = deploy_command(str(ROOT / "prefect.yaml"))
        deploy = Process.start("deploy", command, cwd=ROOT, env=world.env(), log=world.home / "logs" / "deploy.log")
        if deploy.wait(240) != 0:
            raise RuntimeError(f"`prefect deploy` failed:\n{deploy.last_lines()}")
        _save_channels(world, server)
        for pool in pools:
            stack.callback(start_warm_worker(world, server, pool, pool).stop)
        yield server


def _save_channels(world: EmergencyWorld, server: PrefectServer) -> None:
    """In Prefect stands what is kept here: whoever reads it anew finds the same."""
    from prefect.settings import PREFECT_API_URL, temporary_settings  # the demo, which has no Prefect, starts sooner
    from prefect_email import EmailServerCredentials

    from blocks.channels import TeamsWebhook, TwilioVoice

    kept = kept_channels(world.home)
    blocks: dict[str, Any] = {
        one.name: TwilioVoice(account_sid=one.sid, auth_token=one.auth_token, number=one.number, api_url=one.api_url)
        for one in kept.voices
    }
    if kept.mail is not None:
        where = {"smtp_server": kept.mail.host, "smtp_port": kept.mail.port}
        blocks[MAIL] = EmailServerCredentials(**where, smtp_type="INSECURE")
    if kept.teams is not None:
        blocks[kept.teams.name] = TeamsWebhook(url=kept.teams.url)
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        for name, block in blocks.items():
            block.save(name, overwrite=True, _sync=True)


def start_warm_worker(world: EmergencyWorld, server: PrefectServer, pool: str, name: str) -> Process:
    """A worker as `caseproof up` has it for cases and for emergencies."""
    env = {**CASES_WORKER, **world.env()}
    return start_worker(server, pool, world.home, name=name, cwd=world.home, env=env, stock=False)


# -- the demo ---------------------------------------------------------------------------------------------------------

PLAY = {
    "first on call": [Person("no answer", rings=4)],
    "second on call": [Person("no answer", rings=4)],
    "third on call": [Person("machine", rings=2)],
    "fourth on call": [Person("answers", presses=["1"], rings=3)],
}


def play(home: Path, *, leave: bool, until_interrupted: Callable[[], None]) -> None:
    """Play an emergency below ``home``, show it, and stay up for a look around unless ``leave``."""
    out.print(Panel(f"Everything of this demo is below {home}", title="Caseproof: an emergency", expand=False))
    out.print("   starting telephones, Teams, a mail server, the web app and the pager; no Prefect", style="dim")
    with emergency_world(home, PLAY) as world:
        pager = world.start("pager", "emergency", "watch")
        try:
            wait_until("the pager to watch", lambda: "watched for" in pager.log.read_text(), 60, every=0.1)
            ref = raise_here(world)
            live = world.services.links.emergency_url(ref)
            out.print(f"\n[bold]{ref}[/] is raised: nobody can order at {SITE} (E7). Follow it here:")
            out.print(f"  {safe(live)}\n", soft_wrap=True, highlight=False)
            if sys.stdout.isatty() and not leave:
                webbrowser.open_new_tab(live)
            _follow(world, ref)
            _tell_the_end(world, ref)
            if not leave:
                out.print(f"\nIt keeps running for a look around: {safe(live)}. Ctrl-C ends it.", soft_wrap=True)
                until_interrupted()
        finally:
            pager.stop()
    out.print("Everything that was started is stopped; the files stay.")


def _follow(world: EmergencyWorld, ref: str) -> None:
    """Print each try as it begins, and what came of it, until somebody has it and everybody was told."""
    known: dict[int, Attempt] = {}

    def told() -> bool:
        paging = world.paging(ref)
        for one in paging.attempts:
            before = known.get(one.number)
            if before is None or before.outcome is not one.outcome:
                outcome = str(one.outcome or "…").replace("_", " ")
                out.print(f"   {one.channel:<6} {safe(one.person or str(one.news)):<16} {outcome}", style="dim")
            known[one.number] = one
        ended = [one for one in paging.attempts if one.news == "taken" and one.outcome is not None]
        return paging.taken is not None and len(ended) >= 2

    wait_until("somebody to have it, and mail and card to say so", told, 120, every=0.1)


def _texts(card: object) -> Iterator[str]:
    """What people read on a card, from its top."""
    parts = card if isinstance(card, list) else list(card.values()) if isinstance(card, dict) else []
    if isinstance(card, dict) and isinstance(card.get("text"), str):
        yield card["text"]
    for part in parts:
        yield from _texts(part)


def _tell_the_end(world: EmergencyWorld, ref: str) -> None:
    taken = world.paging(ref).taken
    services = world.services
    if taken is not None:
        out.print(f"\n[bold]{safe(taken.by)}[/] pressed 1 and has it. All calling stopped; mail and card say so:")
    out.print(f"   mail:  {safe(world.mail_to(PRODUCT_TEAM)[-1])}", soft_wrap=True, highlight=False)
    out.print(f"   Teams: {safe(next(_texts(world.teams.cards[-1])))}", soft_wrap=True, highlight=False)
    end_emergency(services.store, services.clock, ref, taken.by if taken else "operator", "The disk was full; cleared.")
    review = review_of(services.ledger.case(ref))
    if review is not None:
        out.print("\n[bold]The timeline for its review, written by itself (E12)[/]")
        for when, what in steps_of(review):
            out.print(f"   {safe(when):<22} {safe(what)}", soft_wrap=True, highlight=False)
    out.print(f"\nThe case: {safe(services.links.case_url(ref))}", soft_wrap=True, highlight=False)
