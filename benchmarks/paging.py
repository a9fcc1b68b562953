"""How fast people are reached in an emergency: 500 at once, beside the same calls without anything around them.

The providers are simulators in processes of their own that answer 50 ms late: Twilio, Teams, and a mail server. Each
emergency is raised, written down, and reaches two people by mail, the channel by a card and the first person by a call,
and what came of the mails and the card is written down; calls ring on. The baseline hands over the same mails, cards
and calls at the same concurrency: as many threads as ours has at once, and HTTP and mail connections that are kept, as
ours are; it renders nothing and writes nothing down. A plain loop is measured beside it, and judges nothing: all calls
at once, each in a thread of its own, and a connection a mail. ``python -m benchmarks.paging`` measures alone.
"""

from __future__ import annotations

import json
import os
import smtplib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from sqlalchemy import create_engine, text

from benchmarks import by_the_form
from caseproof.channels.kept_channels import KeptChannels, keep_channels, kept_channels
from caseproof.channels.outbound.mail import Delivery, MailAccount
from caseproof.channels.teams.webhook import TeamsHook, TeamsWebhook
from caseproof.channels.voice.accounts import VoiceAccounts
from caseproof.channels.voice.twilio import TwilioAccount, TwilioVoice
from caseproof.config.settings import Settings
from caseproof.domain.emergency.raising import Raising, ShortCase, Sighting
from caseproof.domain.emergency.vocabulary import Channel, Criterion, OwnLadder
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.procedure.escalation.opening import short_case_opener
from caseproof.procedure.paging.engine import Pager
from caseproof.procedure.paging.installed import pagers_of, parts_of
from caseproof.procedure.paging.lanes import AT_ONCE
from caseproof.procedure.paging.lines import Lines
from caseproof.procedure.paging.ports import PagingParts, raise_by
from caseproof.procedure.paging.post import Letters, card_of
from caseproof.procedure.paging.telephone import Telephone
from caseproof.procedure.paging.watch import PagingWatch
from caseproof.up.processes import Process, free_port, wait_until
from sandbox.teams import PATH, QUERY
from sandbox.telephones import ACCOUNT, TOKEN
from sandbox.world import ROOT

EMERGENCIES = 500
LATENCY_MS = 50
ROUNDS = 2
TARGET = 1.5
POLICY = """\
team: [operator, team lead]
on_call:
  people:
    - {name: first on call, days: [mon, tue, wed, thu, fri, sat, sun], begins: "00:00", ends: "23:59",
       mobile: "+442079460123", mail: first@example.com}
    - {name: second on call, days: [mon, tue, wed, thu, fri, sat, sun], begins: "00:00", ends: "23:59",
       mobile: "+442079460124", mail: second@example.com}
"""
_DELIVERED = """\
select count(*) from events where kind = 'page_ended' and json_extract(data, '$.outcome') = 'delivered'"""
RINGS_SECONDS = 600
MAILS = 2
"""One to each of the two."""


@dataclass(frozen=True)
class Providers:
    """Where the simulators are."""

    twilio: str
    teams: str
    smtp_port: int

    def behave(self) -> None:
        """Nobody hears how calls go on: there is no web app here."""
        deaf = [{"kind": "deaf"}]
        httpx.post(f"{self.twilio}/simulator/behaviour", json=deaf, trust_env=False).raise_for_status()

    def handed_over(self) -> tuple[int, int]:
        """How many calls and cards there are by now."""
        told = [httpx.get(f"{one}/simulator", trust_env=False, timeout=60).json() for one in (self.twilio, self.teams)]
        return len(told[0]), len(told[1]["cards"])


def figures() -> list[dict[str, Any]]:
    """The figures, as ``make bench`` writes them down."""
    return [*by_the_form.figures(), at_once()]


# -- 500 at once ------------------------------------------------------------------------------------------------------


def at_once() -> dict[str, Any]:
    """The best of some rounds each, taken in turn."""
    ours, bare, plain = [], [], []
    calls, threads = (MAILS + 2) * EMERGENCIES, len(Channel) * AT_ONCE
    for _ in range(ROUNDS):
        with _providers() as providers:
            # In a process of its own, which ends with its calls: they would ring on.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
                handed, seconds = other.submit(_ours, providers, EMERGENCIES).result()
            ours.append(seconds)
        with _providers() as providers:
            bare.append(_bare(providers, handed, threads, keep=True))
        with _providers() as providers:
            plain.append(_bare(providers, handed, calls))
    ratio = min(ours) / min(bare)
    return {
        "figure": f"{EMERGENCIES} emergencies at once, each reaching people by mail, Teams and telephone,"
        f" {LATENCY_MS} ms latency: {min(ours):.1f} s",
        "baseline": f"the same {calls:,} calls from bare httpx and smtplib by {threads} threads, as ours has at once,"
        f" that keep their connections: {min(bare):.1f} s (a thread a call and a connection a mail: {min(plain):.1f} s,"
        f" {min(ours) / min(plain):.1f} times)",
        "ratio": round(ratio, 3),
        "target": f"<= {TARGET}",
        "ok": ratio <= TARGET,
        "command": "python -m benchmarks.paging",
    }


@contextmanager
def _providers() -> Iterator[Providers]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        people = Path(folder) / "people.json"
        people.write_text(json.dumps({"+442079460123": [{"does": "no answer", "rings": RINGS_SECONDS}]}))
        more = {"telephones": ["--people", str(people)], "teams": []}
        addresses = {name: _started(stack, Path(folder), name, given) for name, given in more.items()}
        smtp = _started(stack, Path(folder), "mailbox", [])
        providers = Providers(addresses["telephones"], addresses["teams"], int(smtp.rpartition(":")[2]))
        providers.behave()
        yield providers


def _started(stack: ExitStack, folder: Path, name: str, more: Sequence[str]) -> str:
    port = free_port()
    command = [sys.executable, "-m", f"sandbox.{name}", "--port", str(port), "--latency-ms", str(LATENCY_MS), *more]
    process = Process.start(name, command, cwd=ROOT, env=os.environ, log=folder / f"{name}.log")
    stack.callback(process.stop)
    wait_until(f"the {name} to listen", lambda: str(port) in process.log.read_text(), 30, every=0.05)
    return f"http://127.0.0.1:{port}"


class Request(NamedTuple):
    """A request, to be made once more."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Handed:
    """What is handed over for one emergency."""

    mails: Sequence[bytes]
    card: Request
    call: Request


def _ours(providers: Providers, number: int) -> tuple[Handed, float]:
    """As the product does it: raised, written down, and handed over; the seconds it takes, and one of each."""
    with tempfile.TemporaryDirectory() as folder:
        services = _installation(Path(folder) / "home", providers)
        refs, parts = _cases(services, number), parts_of(services)
        for ref in refs:
            _raised(parts, ref)
        pagers = pagers_of(services, "bench")
        watch = PagingWatch(services.store, services.clock, pagers, sys.stderr.write)
        begun = time.perf_counter()
        watch.look()
        _await(services, 2 * number, begun)
        seconds = time.perf_counter() - begun
        wait_until("all calls and cards to be there", lambda: providers.handed_over() == (number, number), 60)
        return _one_of_each(pagers(), parts, _raised(parts, _cases(services, 1, "another ")[0])), seconds


def _installation(home: Path, providers: Providers) -> Services:
    home.mkdir()
    (home / "policy.yaml").write_text(POLICY)
    services = bootstrap(Settings(home=home, database_url=None, policy=None))
    mail = MailAccount("127.0.0.1", providers.smtp_port, "plain", None, "")
    teams = TeamsHook("teams", f"{providers.teams}{PATH}?{QUERY}")
    voice = TwilioAccount("voice", ACCOUNT, TOKEN, "+15005550006", providers.twilio)
    keep_channels(home, KeptChannels(mail, teams, (voice,)))
    return services


def _cases(services: Services, number: int, name: str = "") -> list[str]:
    """Support cases that are there: E9."""
    write = short_case_opener(services.ledger, services.files, services.policy)
    return [write(ShortCase(f"{name}Shop {n}", "Nobody can order anything."), "operator") for n in range(number)]


def _raised(parts: PagingParts, ref: str) -> str:
    seen = (Sighting(Criterion.ORDERING_DOWN, "The checkout answers 500 since ten minutes."),)
    since = parts.ledger.clock() - timedelta(minutes=10)
    raising = Raising(
        site="shop.example.com", sightings=seen, since=since, tried="restarted it", own_ladder=OwnLadder.USED, case=ref
    )
    return raise_by(parts, raising, "operator", lambda *_: "").ref


def _await(services: Services, ended: int, begun: float) -> None:
    """Wait until what came of so many mails and cards is written down."""
    engine = create_engine(services.settings.database)
    with engine.connect() as connection:
        while (now := connection.scalar(text(_DELIVERED))) < ended:
            connection.rollback()
            if time.perf_counter() - begun > 300:
                raise AssertionError(f"{now} of {ended} mails and cards were handed over in five minutes.")
            time.sleep(0.05)
    engine.dispose()


# -- and nothing else -------------------------------------------------------------------------------------------------


def _one_of_each(pager: Pager, parts: PagingParts, ref: str) -> Handed:
    """What is handed over for this emergency, to be handed over without us, too."""
    asked: list[Request] = []
    mails: list[bytes] = []

    def answered(request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "connection")}
        asked.append(Request(request.method, request.url.raw_path.decode(), headers, request.content))
        return httpx.Response(201, json={"sid": f"CA{1:032x}", "status": "busy"})

    def kept(content: bytes, _sender: str, recipients: Sequence[str]) -> Delivery:
        mails.append(content)
        return Delivery(tuple(recipients), {})

    there = httpx.MockTransport(answered)
    channels = kept_channels(parts.home)
    voices = VoiceAccounts([TwilioVoice(one, transport=there) for one in channels.voices])
    teams = TeamsWebhook(channels.teams, transport=there)
    letters = Letters(lambda: kept, parts.policy().mail.sender, (), parts.ledger.clock)
    address = lambda _: f"{parts.links.public}/voice/{'k' * 40}"  # noqa: E731
    telephone = Telephone(lambda: voices, address, parts.ledger.clock, lambda *_: False)
    lines = Lines(letters, lambda message: str(teams.post(card_of(message, parts.links))), telephone)
    replace(pager, lines=lines, start=lambda job: job(), lanes={}).step(ref)
    card, call = (next(one for one in asked if part in one.path) for part in ("workflows", "Calls.json"))
    return Handed(mails[:MAILS], card, call)


def _bare(providers: Providers, handed: Handed, threads: int, *, keep: bool = False) -> float:
    """The same calls and nothing else, by so many threads; ``keep``: each thread keeps its mail connection."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=60)
    own = threading.local()
    with ExitStack() as stack:
        made = lambda: stack.enter_context(httpx.Client(limits=limits, timeout=30, trust_env=False))  # noqa: E731
        clients = {base: made() for base in (providers.teams, providers.twilio)}

        def ask(base: str, one: Request) -> None:
            answer = clients[base].request(one.method, f"{base}{one.path}", content=one.content, headers=one.headers)
            answer.raise_for_status()

        def mail(content: bytes) -> None:
            smtp = getattr(own, "smtp", None) or smtplib.SMTP("127.0.0.1", providers.smtp_port, "localhost", timeout=30)
            smtp.sendmail("cases@example.com", ["first@example.com"], content)
            if keep:
                own.smtp = smtp
            else:
                smtp.quit()

        jobs: list[Callable[[], None]] = []
        for _ in range(EMERGENCIES):
            jobs += [partial(mail, content) for content in handed.mails]
            jobs += [partial(ask, providers.teams, handed.card), partial(ask, providers.twilio, handed.call)]
        begun = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(job) for job in jobs]:
                done.result()
        seconds = time.perf_counter() - begun
    if providers.handed_over() != (EMERGENCIES, EMERGENCIES):
        raise AssertionError("The baseline makes other calls than it says.")
    return seconds


if __name__ == "__main__":
    for row in figures():
        print(f"{row['figure']}: {row['ratio']} ({row['target']}; against {row['baseline']})")  # noqa: T201
