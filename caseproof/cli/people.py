"""`caseproof people ...`: who of the team can log in, and their sign-in links; `login` and `logout` at a terminal."""

from __future__ import annotations

import sys
from email.policy import SMTP
from typing import Annotated

import typer

from caseproof.channels.outbound.invitation import invitation
from caseproof.channels.outbound.mail import MailError
from caseproof.cli import session
from caseproof.cli.common import AsJson, out, print_json, safe, table_of
from caseproof.config.mail_address import usable_address
from caseproof.config.settings import is_loopback
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.logins import LINK_HOLDS
from caseproof.procedure.core.services import bootstrap
from caseproof.store.logins import Login, folded_name

people_app = typer.Typer(no_args_is_help=True, help="Who of the team can log in to the web app.")

Name = Annotated[str, typer.Argument(help="The person, as `team` of the policy names them.", show_default=False)]


@people_app.command("invite")
def people_invite(
    name: Name,
    email: Annotated[str, typer.Argument(help="Where the mail with the link goes.", show_default=False)],
) -> None:
    """Give somebody of the team a login, and mail them a link that lets them choose a password, once."""
    from tasks.common import load_sender

    services = bootstrap()
    member, address = services.logins.member(name), usable_address(email)
    send = load_sender()
    login, token = services.logins.invite(member, address)
    link, now, sender = services.links.sign_in_url(token), services.clock(), services.policy.mail.sender
    mail = invitation(login.name, link, sender=sender, to=address, date=now, until=now + LINK_HOLDS)
    try:
        send(mail.as_bytes(policy=SMTP.clone(cte_type="7bit")), sender, [address])
    except MailError as error:
        raise CaseproofError(
            f"The login is there, but no mail left: {error.problem}",
            f"{error.next_action} Or hand a link over in another way: `caseproof people link '{login.name}'`.",
        ) from error
    out.print(f"{safe(login.name)} was invited by mail to {safe(address)}; the link holds for three days, once.")
    _remark(services.settings.public)


@people_app.command("link")
def people_link(name: Name) -> None:
    """Print a sign-in link: for the first person, where mail is down, or where a password was lost. It works once."""
    services = bootstrap()
    login, token = services.logins.invite(name)
    out.print(f"For {safe(login.name)}, once, within three days:")
    out.print(services.links.sign_in_url(token), markup=False, highlight=False, soft_wrap=True)
    _remark(services.settings.public)


@people_app.command("list")
def people_list(as_json: AsJson = False) -> None:
    """The team, and who of them can log in."""
    services = bootstrap()
    logins = {folded_name(login.name): login for login in services.logins.everybody()}
    getting_in = {folded_name(login.name) for login in services.logins.who_get_in()}
    on_team = {folded_name(name): name for name in services.policy.team}
    rows = [(name, *_standing(logins.get(folded), gets_in=folded in getting_in)) for folded, name in on_team.items()]
    rows += [(one.name, one.email, "none: not on the team") for folded, one in logins.items() if folded not in on_team]
    if as_json:
        print_json([{"name": name, "email": email, "state": state} for name, email, state in rows])
        return
    table = table_of("People", "Name", "Mail", "Login")
    for row in rows:
        table.add_row(*map(safe, row))
    out.print(table)


@people_app.command("remove")
def people_remove(name: Name) -> None:
    """Take somebody's login away; they are logged out at once. The policy's team stays as it is."""
    services = bootstrap()
    out.print(f"{safe(services.logins.remove(name))} has no login any more, and is logged out.")


def _standing(login: Login | None, *, gets_in: bool) -> tuple[str, str]:
    """Somebody's address, and how their login stands."""
    if login is None:
        return "", "none yet"
    state = "with a password" if login.password else "invited"
    return login.email, state if gets_in else f"{state}, and has no way in now"


def _remark(public: str) -> None:
    if is_loopback(public):
        out.print("It opens on this machine alone: CASEPROOF_PUBLIC_URL names no other address.", soft_wrap=True)


def login(name: Name) -> None:
    """Log in with your password, which is asked for; commands of this terminal then act as you, without --by."""
    services, terminal = bootstrap(), session.this_terminal()
    password = typer.prompt("Password", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    session.keep(services.settings, terminal, services.logins.by_password(name, password, way="command"))
    out.print(f"Logged in as {safe(services.logins.member(name))}; `caseproof logout` ends it.")


def logout() -> None:
    """Log out at this terminal."""
    services = bootstrap()
    token = session.drop(services.settings)
    if token:
        services.logins.log_out(token)
    out.print("Logged out." if token else "Nobody was logged in here.")
