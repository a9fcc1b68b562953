"""The command. Exit codes: 0 done, 1 refused or failed (the reason on stderr), 2 wrong usage.

Prefect is imported only by the commands that need it, so that reading a case stays quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from caseproof.cli.common import AsJson, out, print_json, safe, say_error, table_of
from caseproof.cli.session import by_default
from caseproof.cli.terminal import guard_streams
from caseproof.config.private_files import be_private, close_folder
from caseproof.config.settings import read_settings
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.up.addresses import adopt_addresses, adopt_password
from caseproof.up.plan import store_name
from caseproof.up.prefect_services import QUIET, trusted

_ELSEWHERE = {
    "case": "cases.case_app",
    "causes": "causes.causes_app",
    "contact": "contacts.contact_app",
    "mail": "mail.mail_app",
    "inbox": "inbox.inbox_app",
    "emergency": "emergency.emergency_app",
    "recording": "recordings.recording_app",
    "keys": "keys.keys_app",
    "people": "people.people_app",
    **{name: f"people.{name}" for name in ("login", "logout")},
    **{
        name: f"{name}.{name}"
        for name in ("up", "setup", "doctor", "check", "keeper", "report", "policy", "oncall", "audit")
    },
    "mine": "support.mine",
    **{name: f"backups.{name}" for name in ("backup", "restore")},
}
"""Commands in modules of their own: a module, and the function or the Typer app in it."""


class _Commands(Mapping[str, Any]):
    """The commands by name, each imported when it is asked for: nobody waits for what the others import."""

    def __init__(self, here: Mapping[str, Any]) -> None:
        self._known = dict(here)

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            module, _, its_name = _ELSEWHERE[name].partition(".")
            found = getattr(import_module(f"caseproof.cli.{module}"), its_name)
            alone = typer.Typer(add_completion=False, callback=lambda: None)
            if isinstance(found, typer.Typer):
                alone.add_typer(found, name=name)
            else:
                alone.command(name)(found)
            self._known[name] = typer.main.get_group(alone).commands[name]
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**_ELSEWHERE, **self._known})

    def __len__(self) -> int:
        return len({**_ELSEWHERE, **self._known})


class _Quickly(TyperGroup):
    """Imports a command when it is asked for."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands(self.commands)  # type: ignore[assignment]  # nobody adds one to a group that is made


app = typer.Typer(
    cls=_Quickly,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would print secrets
    help="Job-failure cases that close only with proof.",
)


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
    commands, asked = getattr(context.command, "commands", {}), context.invoked_subcommand or ""
    context.default_map = by_default({asked: commands[asked]} if asked in commands else {})
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
    from caseproof.evidence.proof import verify_proof

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


class DemoPlatform(StrEnum):
    """What the demo's jobs run on: Prefect's deployments, or a simulated HTTP job service."""

    PREFECT = "prefect"
    HTTP = "http"


class DemoDesk(StrEnum):
    """Where the demo's tickets are: on Caseproof's own desk, or in a simulated Zoho Desk."""

    EMBEDDED = "embedded"
    ZOHO = "zoho"


@app.command()
def demo(
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything at the end instead of staying up.")] = False,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="Play an emergency with simulated telephones instead.")
    ] = False,
    platform: Annotated[
        DemoPlatform, typer.Option(help="What the jobs run on: Prefect's deployments, or a simulated HTTP job service.")
    ] = DemoPlatform.PREFECT,
    desk: Annotated[
        DemoDesk, typer.Option(help="Where the tickets are: on Caseproof's own desk, or in a simulated Zoho Desk.")
    ] = DemoDesk.EMBEDDED,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what happened to this file.")] = None,
) -> None:
    """Play two cases from the stop to the proof, in a small world that really fails and really mends."""
    if emergency and (platform is not DemoPlatform.PREFECT or desk is not DemoDesk.EMBEDDED):
        raise typer.BadParameter("An emergency is played without jobs and tickets. Leave --platform and --desk away.")
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
        play(read_settings(), leave=leave, json_file=json_file, platform=platform, desk=desk)
