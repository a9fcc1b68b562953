"""A private Request Tracker 5 on the loopback interface, out of Debian's packages, and what the tests ask of it.

``request_tracker()`` starts one in a folder of its own and stops it (``make test-rt``, and whoever needs RT besides);
tests get its address in ``CASEPROOF_TEST_RT``. The standard library only, as ``real_servers``.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.real_servers import folder, free_port, program, started

VARIABLE = "CASEPROOF_TEST_RT"
"""The environment variable with the address of the one under test."""
RT = os.environ.get(VARIABLE, "")
"""That address; empty where there is none."""
PACKAGES = ("request-tracker5", "rt5-db-sqlite", "rt5-standalone")
USER, PASSWORD, ROOT_PASSWORD = "caseproof", "a-made-up-password", "another-made-up-password"
QUEUE, RAISED, ELSEWHERE, FIELD = "Integrations", "Front line", "Elsewhere", "Caseproof"
BARE, NARROW, RIGHTS = "Bare", "Narrow", "SeeQueue CreateTicket ShowTicket SeeCustomField"
"""The same names as the made-up one has (`sandbox/rt.py`); a queue without our field, and one with few rights."""
RENAMED = "renamed"
SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")

_SECONDS = 120

_SITE = """
$RT::MasonDataDir = '{folder}/mason_data';
$RT::MasonSessionDir = '{folder}/session_data';
$RT::VarPath = '{folder}';
Set($rtname, 'caseproof.test');
Set($Organization, 'caseproof.test');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebPath, '');
Set($Timezone, 'Asia/Kathmandu');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/rt.sqlite');
Set($MailCommand, sub {{ return 1 }});
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($DisallowExecuteCode, 1);
Set($BcryptCost, 4);
Set(%Lifecycles, %{{ RT->Config->Get('Lifecycles') || {{}} }}, {renamed} => {{
    initial => ['fresh'], active => ['working'], inactive => ['finished', 'deleted'],
    defaults => {{ on_create => 'fresh' }},
    transitions => {{
        '' => ['fresh'], fresh => ['working', 'finished', 'deleted'], working => ['finished', 'deleted'],
        finished => ['working', 'deleted'], deleted => ['working'],
    }},
}});
1;
"""
"""Its zone is one that is not ours, by hours and a half; mail goes nowhere, and a login takes no third of a second."""

_DATA = """
my @queues = ('{queue}', '{raised}', '{elsewhere}');
my @all = (@queues, '{narrow}');
my @ours = (@queues, '{bare}');
@CustomFields = ({{
    Name => '{field}', Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', Queue => [@all],
}});
@Queues = (
    {{ Name => '{queue}' }}, {{ Name => '{raised}' }}, {{ Name => '{elsewhere}', Lifecycle => '{renamed}' }},
    {{ Name => '{narrow}' }}, {{ Name => '{bare}' }},
);
@Users = ({{
    Name => '{user}', Password => '{password}', Privileged => 1, EmailAddress => 'caseproof@example.com',
    RealName => 'Caseproof',
}});
@ACL = map {{ my $right = $_; map {{ {{ Right => $right, Queue => $_, UserId => '{user}' }} }} @ours }}
    qw(SeeQueue CreateTicket ShowTicket ShowTicketComments CommentOnTicket ReplyToTicket ModifyTicket
       SeeCustomField ModifyCustomField);
push @ACL, map {{ {{ Right => $_, Queue => '{narrow}', UserId => '{user}' }} }} qw({rights});
@Final = (sub {{
    my $user = RT::User->new(RT->SystemUser);
    $user->Load('{user}');
    my (undef, $said, $token) = RT::AuthToken->new(RT->SystemUser)->Create(Owner => $user->Id, Description => 'tests');
    open(my $file, '>', '{folder}/token') or die $!;
    print $file $token or die $said;
    close $file;
}});
"""


@contextmanager
def request_tracker() -> Iterator[str]:
    """A Request Tracker with an account, queues and the custom field of ours: its address, as people open it."""
    set_up = program("rt-setup-database-5", *PACKAGES, also=str(SERVER))
    with folder("request-tracker") as place:
        port = free_port()
        _write(place, port)
        as_whom = _given_to_nobody(place)
        environment = {
            "RT_SITE_CONFIG": str(place / "site.pm"), "RT_SITE_CONFIG_DIR": str(place / "none"),
            "HOME": str(place), "TMPDIR": str(place / "tmp"),
        }  # fmt: skip
        for action in (
            ["--action", "init", "--skip-create", "--root-password-file", str(place / "password")],
            ["--action", "insert", "--datafile", str(place / "data.pl"), "--skip-create"],
        ):
            command, told = [*as_whom, set_up, *action], os.environ | environment
            done = subprocess.run(command, env=told, cwd=place, capture_output=True, text=True, check=False)
            if done.returncode or "[error]" in done.stderr or "[crit" in done.stderr:  # it ends with 0 all the same
                raise SystemExit(f"Request Tracker could not be set up:\n{(done.stderr or done.stdout)[-3000:]}")
        serve = [*as_whom, SERVER, "--host", "127.0.0.1", "--port", str(port), "--max-workers", "4"]
        with started("Request Tracker", serve, place / "log", environment=environment) as server:
            url = f"http://127.0.0.1:{port}"
            server.wait(lambda: _lets_in(url), _SECONDS)
            yield url


def _write(place: Path, port: int) -> None:
    for one in ("mason_data", "session_data", "none", "tmp"):
        (place / one).mkdir()
    site = _SITE.format(folder=place, port=port, renamed=RENAMED)
    data = _DATA.format(
        field=FIELD, queue=QUEUE, raised=RAISED, elsewhere=ELSEWHERE, renamed=RENAMED, user=USER, password=PASSWORD,
        folder=place, narrow=NARROW, bare=BARE, rights=RIGHTS,
    )  # fmt: skip
    for name, text in (("site.pm", site), ("data.pl", data), ("password", f"{ROOT_PASSWORD}\n")):
        (place / name).write_text(text, encoding="utf-8")


def _given_to_nobody(place: Path) -> list[str]:
    """What a command begins with so that RT does not run as root, and may write into its folder."""
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    for path in (place, *place.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


def _lets_in(url: str) -> bool:
    try:
        asked(url, "GET", "rt")
    except OSError:
        return False
    return True


def asked(url: str, method: str, path: str, body: Any = None, *, user: str = "root") -> Any:
    """What it answers to its administrator, or to our account: the JSON. Raises OSError."""
    password = ROOT_PASSWORD if user == "root" else PASSWORD
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/REST/2.0/{path}", content, headers, method=method)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        said = answer.read()
    return json.loads(said) if said else None


class People:
    """Its administrator, as whoever works there: the same words as the people of the made-up one have."""

    def __init__(self, url: str) -> None:
        self._url = url

    def raise_ticket(self, subject: str, body: str, *, requestor: str = "shop@example.com") -> str:
        raised = {"Queue": RAISED, "Subject": subject, "Content": body, "Requestor": requestor}
        return str(asked(self._url, "POST", "ticket", raised)["id"])

    def say(self, ticket: str, words: str, *, public: bool = False, kind: str = "text/plain") -> None:
        how = "correspond" if public else "comment"
        asked(self._url, "POST", f"ticket/{ticket}/{how}", {"Content": words, "ContentType": kind})

    def set(self, ticket: str, status: str) -> None:
        asked(self._url, "PUT", f"ticket/{ticket}", {"Status": status})

    def status_of(self, ticket: str) -> str:
        return str(asked(self._url, "GET", f"ticket/{ticket}")["Status"])

    def block(self, ticket: str) -> str:
        """Make it depend on another one, which is open: its number."""
        other = str(asked(self._url, "POST", "ticket", {"Queue": QUEUE, "Subject": "Before it"})["id"])
        asked(self._url, "PUT", f"ticket/{ticket}", {"AddDependsOn": other})
        return other

    def move(self, ticket: str, queue: str) -> None:
        asked(self._url, "PUT", f"ticket/{ticket}", {"Queue": queue})

    def merge(self, dead: str, alive: str) -> None:
        asked(self._url, "PUT", f"ticket/{dead}", {"MergeInto": alive})

    def delete(self, ticket: str) -> None:
        asked(self._url, "DELETE", f"ticket/{ticket}")

    def delete_all(self) -> None:
        """So that what one test made no other one finds."""
        while found := asked(self._url, "GET", "tickets?per_page=100&query=id%20%3E%200")["items"]:
            for one in found:
                self.delete(one["id"])
