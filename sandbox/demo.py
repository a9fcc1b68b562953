"""The demo: one case, from a job that really fails to a ticket that closes with its proof.

It starts a small world, plays the retailer and the operators through the same calls that the Prefect UI makes, and
tells what happens as it happens.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.evidence.proof import verify_proof
from caseproof.procedure.card import MACHINERY, sentence
from caseproof.procedure.proving import proof_path
from caseproof.settings import Settings
from sandbox.marketplace import expire_token
from sandbox.world import CONTACT, PLATFORM, RETAILER, CommandFailed, World, small_world

JOB = f"marketplace-orders/{RETAILER}"
WORDS = (
    "Hello, thank you for telling us. Our marketplace password had run out. We renewed the access in the seller "
    "portal this morning, you can use the connection again."
)

console = Console()


class _Steps:
    """Numbers the steps and shows what is being waited for."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, text: str) -> None:
        self.number += 1
        console.print(f"[bold cyan]{self.number:>2}[/] {text}", soft_wrap=True)


def play(settings: Settings, *, leave: bool, json_file: Path | None) -> None:
    """Play the demo below the home folder; stay up for a look around unless ``leave``; stop all that was started."""
    signal.signal(signal.SIGTERM, _stop)  # so that a `kill` stops what we started, too
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs deaf to it
    home = _fresh_home(settings.home_folder)
    console.print(Panel(f"Everything of this demo is below {home}", title="Caseproof", expand=False))
    try:
        _play_in(home, leave, json_file)
    except (RuntimeError, TimeoutError, subprocess.TimeoutExpired, httpx.HTTPError) as error:
        raise CaseproofError(f"The demo could not go on: {error}", f"Look at the logs in {home / 'logs'}.") from error


def _play_in(home: Path, leave: bool, json_file: Path | None) -> None:
    with small_world(home, lambda text: console.print(f"   starting {text}", style="dim")) as world:
        ref = _play(world, _Steps())
        case = world.office.case(ref)
        facts = _facts(world, case)
        if json_file is not None:
            json_file.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        _show(case, facts)
        if not leave:
            console.print("\nIt keeps running for a look around. Ctrl-C ends it.")
            _until_interrupted()
    console.print("Everything that was started is stopped; the files stay.")


def _fresh_home(home: Path) -> Path:
    """The home folder itself if nothing is in it yet, else a new one below it: a demo never touches real cases."""
    if not any((home / name).exists() for name in ("caseproof.sqlite", "postgres")):
        return home
    number = 2
    while (home / f"demo-{number}").exists():
        number += 1
    return home / f"demo-{number}"


def _play(world: World, step: _Steps) -> str:
    step(f"The job [bold]{JOB}[/] fetches orders from the marketplace, and it works.")
    console.print(f"   its run ended as {world.run_job(JOB)['state']['name']}", style="dim")
    expire_token(world.marketplace_url, RETAILER)
    step("The marketplace token expires. The next run really fails:")
    failed = world.run_job(JOB)
    console.print(f"   {failed['state']['name']}: {failed['state']['message']}", style="dim", soft_wrap=True)

    step("The daily check finds it (J1), sees why it fails, stops it before anything else (J2), and opens a case.")
    ref = _check(world)

    step("The case's flow run opens a ticket (J1) and tells the retailer by mail (J5):")
    world.await_question(ref, "retailers-word")
    mail = world.mailbox.wait_for(1, 30)[0].parsed
    console.print(f"   to {mail['To']}: {mail['Subject']}", style="dim", soft_wrap=True)

    step("The retailer renews the access and writes back. An operator records the words in Prefect's form (J8).")
    world.renew_access()
    world.answer(
        ref,
        "retailers-word",
        answered_by="operator",
        what="the retailer wrote: record it",
        sender=CONTACT,
        message=WORDS,
    )

    step("The operator decides in Prefect's form (J6): reactivate after the retailer's change.")
    world.answer(
        ref, "decision", answered_by="operator", decision="reactivate after the retailer's change",
        reason="The retailer renewed the token.",
        checked="The new token is in the retailer's settings, issued today.",
    )  # fmt: skip

    step("The job is run again while its schedule is still stopped, read back, photographed, attached (J7, J10).")
    world.await_question(ref, "review", seconds=120)

    step("The team lead looks at the evidence and approves in Prefect's form.")
    world.answer(ref, "review", answered_by="team lead", verdict="approve", remark="Run and picture match.")

    step("Last look at later runs, proof, closing, ticket (J10, J11).")
    world.await_case(ref, "closed, with its ticket", lambda case: case.ticket_closed is not None, 120)
    return ref


def _check(world: World) -> str:
    """``caseproof check``, as its schedule runs it every morning; the case that it opened."""
    checked = world.caseproof("check", "--platform", PLATFORM)["platforms"][PLATFORM]
    done = [line for line in checked["lines"] if line["outcome"]]
    for line in done:
        console.print(
            f"   {checked['jobs']} jobs and {checked['runs']} runs looked at; {line['job']}: "
            f"{line['cause'].replace('_', ' ')}, {line['outcome']}; {line['case']} opened",
            style="dim",
            soft_wrap=True,
        )
    if [line["job"] for line in done] != [JOB]:
        raise CommandFailed(f"The check was to stop {JOB} alone, and did this: {done}")
    return str(done[0]["case"])


def _facts(world: World, case: Case) -> dict[str, Any]:
    office = world.office
    if case.ticket is None or case.photo is None:
        raise CommandFailed(f"{case.ref} closed without a ticket or a picture; look at {world.home}.")
    with office.store.reading() as unit:
        run = unit.cases.run_of(case.ref)
    _wait_for_page(world, case)
    return {
        "case": case.ref,
        "status": str(case.state),
        "timeline": [
            {"at": e.at.isoformat(), "type": str(e.kind), "actor": e.actor, "what": sentence(e)} for e in case.events
        ],
        "proof": str(proof_path(office, case)),
        "ticket": case.ticket["ticket"],
        "screenshot": str(office.vault.path(case.photo["evidence"])),
        "urls": {
            "case": office.case_url(case.ref),
            "ticket": case.ticket["url"],
            "screenshot": office.evidence_url(case.photo["evidence"]),
            "flow_run": f"{world.server.ui_url}/runs/flow-run/{run.flow_run if run else ''}",
            "job_run": case.photo["url"],
            "prefect": world.server.ui_url,
            "web": world.web_url,
        },
        "home": str(world.home),
    }


def _wait_for_page(world: World, case: Case) -> None:
    """The links below are for people: see that the case page really answers before it is shown."""
    httpx.get(f"{world.web_url}/cases/{case.ref}", timeout=10, trust_env=False).raise_for_status()


def _show(case: Case, facts: dict[str, Any]) -> None:
    table = Table(title=f"{case.ref} is {case.state}", title_justify="left", header_style="bold")
    for column in ("At (UTC)", "What", "Who"):
        table.add_column(column, overflow="fold")
    for event in case.events:
        if event.kind not in MACHINERY:
            table.add_row(f"{event.at:%H:%M:%S}", sentence(event), event.actor)
    console.print(table)
    checks = verify_proof(Path(facts["proof"]))
    verdict = "holds" if all(check.ok for check in checks) else "does NOT hold"
    console.print(f"The proof {verdict}: {len(checks)} checks of `caseproof verify`.\n")
    console.print("[bold]Where everything is[/]")
    for name in ("proof", "screenshot", "ticket", "home"):
        _place(name, str(facts[name]))
    for name, url in facts["urls"].items():
        _place(f"{name.replace('_', ' ')} page", str(url))
    _place("look with", f"CASEPROOF_HOME={facts['home']} .venv/bin/caseproof case show {case.ref}")


def _place(name: str, where: str) -> None:
    """A line that a terminal can wrap but never cuts: people copy from it."""
    console.print(f"  {name:<16} {where}", soft_wrap=True, highlight=False)


def _stop(*_: object) -> None:
    raise SystemExit(1)


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print()
