"""`caseproof keys`: the keys that this home keeps for itself, in files of their own."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from caseproof.cli.common import AsJson, err, out, print_json, safe, table_of
from caseproof.config import kept_key
from caseproof.config.settings import read_settings
from caseproof.domain.errors import CaseproofError, NotAllowed
from caseproof.evidence import answer_keys
from caseproof.procedure.core.services import bootstrap
from caseproof.up.addresses import password_file

keys_app = typer.Typer(no_args_is_help=True, help="The keys that this home keeps: which there are, and new ones.")

_WHAT = {
    answer_keys.NAME: "signs the links to the confirmation page and the addresses for answers",
    answer_keys.VOID_NAME: "signs nothing: tells an address of before from a made-up one",
    "prefect-password": "lets into the Prefect server that `caseproof up` starts; `caseproof keys prefect` prints it",
}


@keys_app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Which keys there are, and whether the one for links is the one that is in force. None is shown."""
    services = bootstrap(read_settings())
    folder = services.settings.home_folder / kept_key.FOLDER
    standing = (
        {path.name: "kept" for path in sorted(folder.iterdir()) if not path.name.startswith(".")}
        if (folder.is_dir())
        else {}
    )
    try:
        standing[answer_keys.NAME] = f"in force, fingerprint {answer_keys.fingerprint(services.keys.in_force())}"
    except CaseproofError as error:
        standing[answer_keys.NAME] = str(error)
    found: list[dict[str, Any]] = [
        {"name": name, "file": str(folder / name), "for": _WHAT.get(name, ""), "standing": said}
        for name, said in sorted(standing.items())
    ]
    if as_json:
        print_json(found)
        return
    table = table_of("Keys", "Key", "What for", "Standing")
    for one in found:
        table.add_row(safe(one["file"]), safe(one["for"]), safe(one["standing"]))
    out.print(table)


@keys_app.command()
def prefect() -> None:
    """Print the password of the Prefect server that `caseproof up` starts, and nothing else.

    Prefect's page takes the whole line; Prefect's own programs take it as PREFECT_API_AUTH_STRING.
    """
    home = read_settings().home_folder
    kept = kept_key.read(password_file(home))
    if kept is None:
        raise CaseproofError(
            f"{home} keeps no password of a Prefect server.",
            "The first `caseproof up` makes one, unless PREFECT_SERVER_API_AUTH_STRING names yours.",
        )
    out.print(safe(kept), soft_wrap=True, highlight=False)
    if out.is_terminal:
        err.print("Whoever knows it may do anything with this server, and answer any form of a case.", style="dim")


@keys_app.command("new")
def new_key(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: AsJson = False) -> None:
    """Make another key for links and addresses: all that are out are void, and who owes an answer gets a new link."""
    services = bootstrap(read_settings())
    sure("Every link and address in letters that are out becomes void. Make another key?", yes=yes)
    waiting = services.keys.renew()
    if as_json:
        print_json({"fingerprint": answer_keys.fingerprint(services.keys.in_force()), "cases": waiting})
        return
    out.print(f"Another key is in force. {new_links(waiting)}", highlight=False)


def new_links(waiting: int) -> str:
    """What becomes of the cases that wait for their retailers."""
    cases = "one case that waits" if waiting == 1 else f"{waiting} cases that wait"
    return f"For the {cases} for a retailer, the keeper sends a letter with a new link." if waiting else "None is owed."


def sure(question: str, *, yes: bool) -> None:
    """Ask on the terminal. Raises NotAllowed where the answer is no, or nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotAllowed(question, "Say so with --yes: nobody can be asked here.")
    if not typer.confirm(question):
        raise NotAllowed("Nothing was done.", "")
