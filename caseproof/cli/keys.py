"""`caseproof keys`: what this home keeps for itself alone."""

from __future__ import annotations

import sys

import typer

from caseproof.cli.common import err
from caseproof.config import kept_key
from caseproof.config.settings import read_settings
from caseproof.domain.errors import CaseproofError
from caseproof.up.addresses import password_file

keys_app = typer.Typer(no_args_is_help=True, help="What this home keeps for itself alone.")


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
    sys.stdout.write(f"{kept}\n")
    if sys.stdout.isatty():
        err.print("Whoever knows it may do anything with this server, and answer any form of a case.", style="dim")
