"""The password of the Prefect server that `caseproof up` starts: given by a person, kept by the home, or none.

What the home keeps is kept for as long as it is in force: every command of the home finds it then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from caseproof.config import kept_key
from caseproof.config.settings import Settings, is_loopback, is_loopback_host
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.up.addresses import password_file
from caseproof.up.other_clients import other_clients
from caseproof.up.plan import StartPlan, worker_name
from caseproof.up.prefect_services import PrefectApi

GIVEN = "PREFECT_SERVER_API_AUTH_STRING"
_USER = "caseproof"

MayLockOut = Callable[[Sequence[str]], bool]
"""Says whether these, each in words, may be locked out."""


class LocksOut(CaseproofError):
    """Others use this Prefect server without a password, and nobody said what becomes of them."""


@dataclass(frozen=True)
class ServerPassword:
    """``auth`` is ``user:password``, None where the server asks for none.

    ``is_kept``: the home keeps it, or will; ``is_new``: it was made now, and is kept once nobody is locked out unasked.
    """

    auth: str | None = field(repr=False)
    is_kept: bool = False
    is_new: bool = False


def choose(settings: Settings, given: Mapping[str, str], *, none: bool) -> ServerPassword:
    """What our server asks for: what a person gave, else nothing where ``none``, else what the home keeps or makes.

    Nothing is written down yet. Raises BadInput.
    """
    if named := given.get(GIVEN):
        if none:
            raise BadInput(f"{GIVEN} names a password, and --no-password wants none.", "Leave one of them out.")
        return ServerPassword(named)
    if none:
        return ServerPassword(None)
    if kept := kept_key.read(password_file(settings.home_folder)):
        return ServerPassword(kept, is_kept=True)
    return ServerPassword(new_password(), is_kept=True, is_new=True)


def new_password() -> str:
    """A ``user:password`` that nobody guesses."""
    return f"{_USER}:{secrets.token_urlsafe(24)}"


def refuse_no_password(laid_out: StartPlan, settings: Settings) -> None:
    """Raise BadInput where a server without a password would be open to more than this machine, or is none of ours."""
    if not laid_out.own_server:
        raise BadInput(
            "--no-password is about the Prefect server that `caseproof up` starts, and PREFECT_API_URL names another.",
            "Leave it out: that server asks for what it was told to.",
        )
    host, _ = settings.prefect_listens
    if not is_loopback_host(host):
        raise BadInput(
            f"--no-password, and CASEPROOF_PREFECT_URL has the server listen on {host}: everybody who reaches this "
            "machine could do anything with it.",
            "Leave --no-password out, or have the server listen on 127.0.0.1.",
        )
    if not is_loopback(laid_out.ui_url):
        raise BadInput(
            f"--no-password, and PREFECT_UI_URL says that {laid_out.ui_url} leads to this server: everybody who "
            "reaches that address could do anything with it.",
            "Leave --no-password out, or unset PREFECT_UI_URL.",
        )


def settle(
    password: ServerPassword,
    api: PrefectApi,
    settings: Settings,
    now: datetime,
    may_lock_out: MayLockOut,
) -> None:
    """Keep a new password, and forget one that is not in force any more; called once the server answers.

    Who used the server without the new one is named to ``may_lock_out``, which says whether they may be locked out.
    Raises LocksOut, and CaseproofError where Prefect does not say who they are.
    """
    file = password_file(settings.home_folder)
    if not password.is_kept:
        kept_key.forget(file)
        return
    if password.auth is None or not password.is_new:
        return
    others = other_clients(api, worker_name(settings.home_folder), now)
    if others and not may_lock_out(others):
        raise LocksOut(
            "Others use this Prefect server, and it asked for no password until now: "
            f"{'; '.join(others)}. Nothing was changed.",
            "`caseproof up --lock-out` has it ask for one: give it to each of them then, as PREFECT_API_AUTH_STRING "
            "(`caseproof keys prefect` prints it). `caseproof up --no-password` leaves it open, also to every web page "
            "that somebody on this machine opens.",
        )
    made = password.auth
    if kept_key.read_or_make(file, lambda: made) != made:
        raise CaseproofError(f"{file} was made by somebody else meanwhile.", "Start `caseproof up` again.")


def how_to_log_in(laid_out: StartPlan, password: ServerPassword, *, shown: bool) -> str:
    """What a person types at Prefect's page, "" where nothing is asked for there.

    ``shown``: whether a new password may stand in it, which then is the only time that it is shown unasked.
    """
    if not laid_out.own_server or password.auth is None:
        return ""
    if not password.is_kept:
        return f"Prefect's page asks for a password: type all of what {GIVEN} holds, user, colon and password."
    if password.is_new and shown:
        return (
            f"Prefect's page asks for a password. Type all of this line: {password.auth}\n"
            "It is shown this once, for ten minutes; later, `caseproof keys prefect` prints it."
        )
    return "Prefect's page asks for a password: type the line that `caseproof keys prefect` prints, all of it."
