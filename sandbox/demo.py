"""The demo: two cases, from jobs that really fail to tickets that close with their proofs.

One retailer answers by mail, the other on the confirmation page. It starts a small world, plays the retailers with a
mail program and a browser, and the team through the same calls that the Prefect UI makes, and tells what happens.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
from rich.panel import Panel

from caseproof.cli.common import out, safe, table_of
from caseproof.config.settings import Settings
from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.proof import verify_proof
from caseproof.procedure.closing.proving import proof_path
from caseproof.procedure.views.board import board_url
from caseproof.procedure.views.case_page import sentence
from caseproof.up.addresses import forget_addresses, write_addresses
from caseproof.up.plan import store_name
from caseproof.up.processes import wait_until
from sandbox import emergency
from sandbox.marketplace import expire_token
from sandbox.retailer import Retailer
from sandbox.starting import small_world
from sandbox.world import CONTACTS, PLATFORM, CommandFailed, World

BY_MAIL, ON_THE_PAGE = CONTACTS
STRANGER = "reseller@elsewhere.example.net"
WORDS = (
    "Hello, thank you for telling us. We renewed the access in the seller portal this morning.\n\nKind regards\n"
    "The owner"
)
WORDS_ON_THE_PAGE = "I gave your connection its permission again today."

console = out


class _Steps:
    """Numbers the steps and shows what is being waited for."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, text: str) -> None:
        self.number += 1
        console.print(f"[bold cyan]{self.number:>2}[/] {text}", soft_wrap=True)


def play(
    settings: Settings, *, leave: bool, json_file: Path | None, platform: str = "prefect", desk: str = "embedded"
) -> None:
    """Play the demo below the home folder; stay up for a look around unless ``leave``; stop all that was started.

    ``platform`` and ``desk`` are those of ``small_world``.
    """
    if json_file is not None and (not json_file.parent.is_dir() or (json_file.exists() and not json_file.is_file())):
        raise CaseproofError(f"{json_file} is no file that can be written.", "Name a file in a folder that is there.")
    home = _begin(settings)
    console.print(Panel(f"Everything of this demo is below {home}", title="Caseproof", expand=False))
    try:
        _play_in(home, leave, json_file, platform, desk)
    except (RuntimeError, TimeoutError, subprocess.TimeoutExpired, httpx.HTTPError) as error:
        raise CaseproofError(f"The demo could not go on: {error}", f"Look at the logs in {home / 'logs'}.") from error


def play_emergency(settings: Settings, *, leave: bool) -> None:
    """Play an emergency below the home folder instead: it needs no Prefect."""
    home = _begin(settings)
    try:
        emergency.play(home, leave=leave, until_interrupted=_until_interrupted)
    except (RuntimeError, TimeoutError, httpx.HTTPError) as error:
        raise CaseproofError(f"The demo could not go on: {error}", f"Look at the logs in {home / 'logs'}.") from error


def _begin(settings: Settings) -> Path:
    """The home of this demo; whatever ends it from now on ends what it started, too."""
    signal.signal(signal.SIGTERM, _stop)  # a `kill`
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs deaf to it
    return _fresh_home(settings.home_folder)


def _play_in(home: Path, leave: bool, json_file: Path | None, platform: str, desk: str) -> None:
    with (
        small_world(home, _starting, platform=platform, desk=desk) as world,
        world.listening(),
    ):
        _place("worklist", f"{world.web_url}/")  # first, so that it can be looked on while the cases go their way
        for name, url in _pages_of_systems(world).items():
            _place(_called(name), url)
        refs = _play(world, _Steps())
        cases = [world.services.ledger.case(ref) for ref in refs]
        facts, other = (_facts(world, case) for case in cases)
        if json_file is not None:
            told = {**facts, "other": other}
            json_file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        for case in cases:
            _show_timeline(case)
        with nullcontext() if leave else _kept_for_people(world):
            _show_places(world, cases[0], facts, other)
            if not leave:
                _show_log_in(world, facts)
                _show_own_case(world)
                console.print("\nIt keeps running for a look around. Ctrl-C ends it.")
                _until_interrupted()
    console.print("Everything that was started is stopped; the files stay.")


@contextmanager
def _kept_for_people(world: World) -> Iterator[None]:
    """The cases are looked after, and a command that is told this home finds the rest by itself."""
    settings = world.services.settings
    write_addresses(world.home, world.env(), store_name(settings, embedded=False), own_server=True)
    try:
        with world.keeping():
            yield
    finally:
        forget_addresses(world.home)


def _starting(text: str) -> None:
    console.print(f"   starting {safe(text)}", style="dim")


def _pages_of_systems(world: World) -> dict[str, str]:
    """The pages of the systems that stand in the place of Prefect's jobs and of Caseproof's own desk, where they do."""
    service = {"job_service": world.job_service.page} if world.job_service else {}
    return service | ({"desk": world.desk.page} if world.desk else {})


def _fresh_home(home: Path) -> Path:
    """The home folder itself if nothing is in it yet, else a new one below it: a demo never touches real cases."""
    if not any((home / name).exists() for name in ("caseproof.sqlite", "postgres", "up")):
        return home
    number = 2
    while (home / f"demo-{number}").exists():
        number += 1
    return home / f"demo-{number}"


def _play(world: World, step: _Steps) -> tuple[str, str]:
    """Play both cases; the one that is answered by mail, and the one on the page."""
    step("Two shops' jobs fetch orders from the marketplace. Their tokens expire, and the next runs really fail:")
    for failed in _fail(world):
        _say(f"{failed['state']['name']}: {failed['state']['message']}")

    step("The daily check finds them (J1), sees why they fail, stops them before anything else (J2), opens cases.")
    cases = _check(world)
    by_mail, on_the_page = cases[_job(BY_MAIL)], cases[_job(ON_THE_PAGE)]

    step("Each case's flow run opens a ticket (J1) and tells its retailer by mail (J5):")
    gardener, toy_seller = (_told(world, retailer, cases[_job(retailer)]) for retailer in CONTACTS)

    step(f"{BY_MAIL} is on holiday: an automatic reply comes. Then a stranger answers our mail, in its very thread.")
    gardener.is_away(gardener.letters[0])
    _await_message(world, by_mail, Disposition.AUTOMATIC)
    world.mailbox.senders[STRANGER] = "genuine, and a stranger all the same"
    gardener.passed_on(gardener.letters[0], STRANGER, "We renewed the access, you can use it again.")
    _say(f"set aside, and nothing changes (J8): {_await_message(world, by_mail, Disposition.REFUSED)}")

    step("Both renew their access. One answers the mail; the words reach the case by themselves (J8):")
    world.renew_access(*CONTACTS)
    gardener.answer(gardener.letters[0], WORDS)
    word = world.await_case(by_mail, "the retailer's word", lambda case: bool(case.confirmations)).confirmations[0]
    _say(f"{by_mail}, from {word['sender']}: {word['words'].splitlines()[0]}")

    step("The other opens the link of the mail and presses 'I made the change' on the page (J8):")
    said = toy_seller.press(toy_seller.letters[0], "I made the change", WORDS_ON_THE_PAGE)
    _say(f"{on_the_page}, the page says: {said.strip().splitlines()[0]}")

    step("The word by mail waits for the team: the operator reads it above Prefect's form and decides (J6).")
    world.answer(
        by_mail, "decision", answered_by="operator", decision="reactivate after the retailer's change",
        reason="The retailer renewed the token.",
        checked="The new token is in the retailer's settings, issued today.",
    )  # fmt: skip

    step("The clear choice on the page goes on by itself, as the policy says. Both jobs are run again while their")
    console.print("   schedules are still stopped, read back, photographed, attached (J7, J10).")
    for ref in (by_mail, on_the_page):
        world.await_question(ref, "review", seconds=360)

    step("The team lead looks at the evidence of both, checks what nobody has checked yet (J8), and approves.")
    approved = {"answered_by": "team lead", "verdict": "approve", "remark": "Run and picture match."}
    world.answer(by_mail, "review", **approved)
    world.answer(on_the_page, "review", **approved, checked="The new token is in the retailer's settings.")

    step("Last look at later runs, proof, closing, ticket (J10, J11). The retailers read that it works again:")
    for ref in (by_mail, on_the_page):
        world.await_case(ref, "closed, and the retailer told", lambda case: case.recovery is not None, 120)
    for person in (gardener, toy_seller):
        _say(f"to {person.address}: {person.letters[-1]['Subject']}")
    return by_mail, on_the_page


def _job(retailer: str) -> str:
    return f"marketplace-orders/{retailer}"


def _say(text: str) -> None:
    console.print(f"   {text}", style="dim", soft_wrap=True, highlight=False)


def _fail(world: World) -> list[dict[str, Any]]:
    """The runs of both shops, after their tokens expired; side by side."""
    for retailer in CONTACTS:
        expire_token(world.marketplace_url, retailer)
    with ThreadPoolExecutor() as at_once:
        return list(at_once.map(lambda retailer: world.run_job(_job(retailer)), CONTACTS))


def _told(world: World, retailer: str, ref: str) -> Retailer:
    """The retailer's person, who has got the notice by now."""
    world.await_question(ref, "retailers-word")
    person = Retailer(world.mailbox, CONTACTS[retailer], f"The owner of {retailer}")
    _say(f"to {person.address}: {person.letters[0]['Subject']}")
    return person


def _await_message(world: World, ref: str, place: Disposition) -> str:
    """Wait until a mail about the case has ended in this place; returns why it did."""

    def there() -> str | None:
        with world.services.store.reading() as uow:
            return next((row.why for row in uow.messages.of_case(ref) if row.place is place), None)

    return wait_until(f"a message to end as '{place}'", there, 120)


def _check(world: World) -> dict[str, str]:
    """``caseproof check``, as its schedule runs it every morning; the cases that it opened, by job."""
    checked = world.caseproof("check", "--platform", PLATFORM)["platforms"][PLATFORM]
    done = [line for line in checked["lines"] if line["outcome"]]
    _say(f"{checked['jobs']} jobs and {checked['runs']} runs looked at")
    for line in done:
        _say(f"{line['job']}: {line['cause'].replace('_', ' ')}, {line['outcome']}; {line['case']} opened")
    if {line["job"] for line in done} != {_job(retailer) for retailer in CONTACTS}:
        raise CommandFailed(f"The check was to stop the two shops' orders alone, and did this: {done}")
    return {line["job"]: str(line["case"]) for line in done}


def _facts(world: World, case: Case) -> dict[str, Any]:
    services = world.services
    if case.ticket is None or case.photo is None:
        raise CommandFailed(f"{case.ref} closed without a ticket or a picture; look at {world.home}.")
    with services.store.reading() as uow:
        run = uow.cases.run_of(case.ref)
    _wait_for_page(world, case)
    return {
        "case": case.ref,
        "status": str(case.state),
        "timeline": [
            {"at": e.at.isoformat(), "type": str(e.kind), "actor": e.actor, "what": sentence(e)} for e in case.events
        ],
        "proof": str(proof_path(services.proofs, case)),
        "ticket": case.ticket.data["ticket"],
        "screenshot": str(services.vault.path(case.photo.data["evidence"])),
        "urls": {
            "worklist": f"{world.web_url}/",
            "case": services.links.case_url(case.ref),
            "ticket": case.ticket.data["url"],
            "screenshot": services.links.evidence_url(case.photo.data["evidence"]),
            "flow_run": f"{world.server.ui_url}/runs/flow-run/{run.flow_run if run else ''}",
            "job_run": case.photo.data["url"],
            "prefect": f"{world.server.ui_url}/dashboard",
            "prefect_newer": f"{world.server.ui_url}/v2",
            "board": board_url(world.server.ui_url),
            **_pages_of_systems(world),
        },
        "home": str(world.home),
        "log_in": _command(world, "keys prefect"),
    }


def _wait_for_page(world: World, case: Case) -> None:
    """The links below are for people: see that the case page really answers before it is shown."""
    httpx.get(f"{world.web_url}/cases/{case.ref}", timeout=10, trust_env=False).raise_for_status()


def _show_timeline(case: Case) -> None:
    table = table_of(f"{case.ref} is {case.procedure.called(case.state)}", "At (UTC)", "What", "Who")
    for event in case.events:
        if event.kind.spec.news:
            table.add_row(f"{event.at:%H:%M:%S}", safe(sentence(event)), safe(event.actor))
    console.print(table)


_CALLED = {
    "worklist": "worklist", "prefect": "Prefect, older", "prefect_newer": "Prefect, newer",
    "job_service": "the job service", "desk": "Zoho Desk",
}  # fmt: skip
"""The places that are called otherwise. Forms read best in the older one of Prefect's interfaces."""


def _called(name: str) -> str:
    return _CALLED.get(name, f"{name.replace('_', ' ')} page")


def _show_places(world: World, case: Case, facts: dict[str, Any], other: dict[str, Any]) -> None:
    for one in (facts, other):
        checks = verify_proof(Path(one["proof"]))
        verdict = "holds" if all(check.ok for check in checks) else "does NOT hold"
        console.print(f"The proof of {one['case']} {verdict}: {len(checks)} checks of `caseproof verify`.")
    console.print("\n[bold]Where everything is[/]")
    for name, url in facts["urls"].items():
        _place(_called(name), str(url))
    for name in ("proof", "screenshot", "ticket", "home"):
        _place(name, str(facts[name]))
    _place("the other case", other["urls"]["case"])
    _place("look with", _command(world, f"case show {case.ref}"))


def _show_log_in(world: World, facts: dict[str, Any]) -> None:
    """What lets in: a link to the web app, a password to Prefect's pages. A terminal may show them, a log must not."""
    console.print("\nThe worklist is there to look at. To answer in it, choose the operator's password, once:")
    if sys.stdout.isatty():
        services = world.services
        _place("log in by", services.links.sign_in_url(services.logins.invite("operator")[1]))
    _place("another link by", _command(world, "people link operator"))
    console.print("\nPrefect's pages ask for a password. Type the whole line, with what stands before the colon:")
    if sys.stdout.isatty():
        _place("log in with", str(world.server.auth))
    _place("printed by", facts["log_in"])


def _show_own_case(world: World) -> None:
    """How somebody who looks around makes a case of their own, where the jobs are on the job service."""
    if world.job_service is None:
        return
    console.print("\nFor a case of your own: break a job on its page, run it there, and let the daily check find it.")
    # Not a job of one of the cases above: that case would be opened again.
    _place("a job's page", world.job_service.page_of(f"stock-feed/{BY_MAIL}"))
    _place("check by", _command(world, "check"))
    console.print("Answer on the worklist, and mend the job on its page. Somebody else has to approve the picture:")
    _place("their link by", _command(world, "people link 'team lead'"))


def _command(world: World, typed: str) -> str:
    """A command of this home, as it is typed in the project's folder."""
    return f"CASEPROOF_HOME={shlex.quote(str(world.home))} .venv/bin/caseproof {typed}"


def _place(name: str, where: str) -> None:
    """A line that a terminal can wrap but never cuts: people copy from it."""
    console.print(f"  {name:<16} {safe(where)}", soft_wrap=True, highlight=False)


def _stop(*_: object) -> None:
    raise SystemExit(1)


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print()
