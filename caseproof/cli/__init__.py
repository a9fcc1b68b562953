"""The command. Exit codes: 0 done, 1 refused or failed (the reason on stderr), 2 wrong usage.

Prefect is imported only by the commands that need it, so that reading a case stays quick.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from caseproof.cli.audit import audit
from caseproof.cli.backups import backup, restore
from caseproof.cli.cases import case_app
from caseproof.cli.causes import causes_app
from caseproof.cli.check import check
from caseproof.cli.common import AsJson, out, print_json, safe, say_error, table_of
from caseproof.cli.contacts import contact_app
from caseproof.cli.doctor import doctor
from caseproof.cli.emergency import emergency_app
from caseproof.cli.inbox import inbox_app
from caseproof.cli.keeper import keeper
from caseproof.cli.keys import keys_app
from caseproof.cli.mail import mail_app
from caseproof.cli.oncall import oncall
from caseproof.cli.people import login, logout, people_app
from caseproof.cli.policy import policy
from caseproof.cli.recordings import recording_app
from caseproof.cli.report import report
from caseproof.cli.session import by_default
from caseproof.cli.setup import setup
from caseproof.cli.support import mine
from caseproof.cli.terminal import guard_streams
from caseproof.cli.up import up
from caseproof.config.private_files import be_private, close_folder
from caseproof.config.settings import read_settings
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.evidence.proof import verify_proof
from caseproof.up.addresses import adopt_addresses, adopt_password
from caseproof.up.plan import store_name
from caseproof.up.prefect_services import QUIET, trusted

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would print secrets
    help="Job-failure cases that close only with proof.",
)
app.add_typer(case_app, name="case")
app.add_typer(causes_app, name="causes")
app.add_typer(contact_app, name="contact")
app.add_typer(mail_app, name="mail")
app.add_typer(inbox_app, name="inbox")
app.add_typer(emergency_app, name="emergency")
app.add_typer(recording_app, name="recording")
app.add_typer(keys_app, name="keys")
app.add_typer(people_app, name="people")
app.command()(login)
app.command()(logout)
app.command()(up)
app.command()(setup)
app.command()(doctor)
app.command()(audit)
app.command()(check)
app.command()(keeper)
app.command()(report)
app.command()(policy)
app.command()(oncall)
app.command()(mine)
app.command()(backup)
app.command()(restore)


def _say_version(asked: bool) -> None:
    if asked:
        out.print(f"caseproof {version('caseproof')}", highlight=False)
        raise typer.Exit


@app.callback()
def _anywhere(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and nothing else.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Job-failure cases that close only with proof."""
    be_private()
    context.default_map = by_default(getattr(context.command, "commands", {}))
    if context.invoked_subcommand in ("up", "demo"):  # these bring a Prefect server of their own
        return
    for name, value in {**QUIET, "PREFECT_LOGGING_LEVEL": "ERROR"}.items():
        os.environ.setdefault(name, value)  # a command prints its own words, and Prefect's beside them are noise
    try:
        settings = read_settings()
    except CaseproofError:
        return  # the command itself tells what is wrong with the settings
    if context.invoked_subcommand != "doctor":  # it changes nothing
        close_folder(settings.home.expanduser())
    store = adopt_addresses(settings.home.expanduser())
    try:
        adopt_password(settings.home.expanduser())
    except CaseproofError as error:  # stopping a job does not wait for it (J2)
        say_error(error.problem, error.next_action, "yellow")
    for name, value in trusted(os.environ.get("PREFECT_API_URL", "")).items():
        os.environ.setdefault(name, value)
    if context.invoked_subcommand in ("verify", "policy", "oncall"):  # these look into no store
        return
    if store is not None and store != (here := store_name(settings, embedded=settings.postgres.exists)):
        raise BadInput(
            f"`caseproof up` keeps this home's cases in {store}, and this command would look into {here}.",
            "Set CASEPROOF_DATABASE_URL here as it was set there, or start `caseproof up` with the settings of here.",
        )


def main() -> None:
    """Run the command; an error for people goes to stderr, never a traceback."""
    guard_streams()
    # So that what was started for a command is stopped with it: a PostgreSQL for a backup, say.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except CaseproofError as error:
        say_error(error.problem, error.next_action)
        sys.exit(1)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A proof file.")],
    as_json: AsJson = False,
) -> None:
    """Check a proof against the files it names, folding its events with the rules again."""
    checks = verify_proof(file)
    holds = all(check.ok for check in checks)
    if as_json:
        print_json({"holds": holds, "checks": [{"what": c.what, "ok": c.ok, "found": c.found} for c in checks]})
    else:
        table = table_of(f"{file.name}: the proof {'holds' if holds else 'does NOT hold'}", "Checked", "", "Found")
        for check in checks:
            mark = "[green]ok[/]" if check.ok else "[bold red]NO[/]"
            table.add_row(safe(check.what), mark, safe(check.found))
        out.print(table)
    if not holds:
        raise CaseproofError("This proof does not hold.", "Treat the case as not proven; compare with a backup.")


@app.command()
def web() -> None:
    """Serve the case pages and the evidence at CASEPROOF_WEB_URL, until it is stopped."""
    from caseproof.web import serve

    serve(read_settings())


@app.command()
def demo(
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything at the end instead of staying up.")] = False,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="Play an emergency with simulated telephones instead.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what happened to this file.")] = None,
) -> None:
    """Play one case from the stop to the proof, in a small world that really fails and really mends."""
    try:
        from sandbox.demo import play, play_emergency
    except ModuleNotFoundError as missing:
        if missing.name not in ("aiosmtpd", "pymap"):
            raise
        raise CaseproofError(
            f"The demo brings its own mail servers, and {missing.name} for them is not installed.",
            "Install them: pip install 'caseproof[demo]'.",
        ) from missing

    if emergency:
        play_emergency(read_settings(), leave=leave)
    else:
        play(read_settings(), leave=leave, json_file=json_file)
