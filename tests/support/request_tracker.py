"""A private Request Tracker 5 on the loopback interface, out of Debian's packages, and what the tests ask of it.

``started()`` starts one in a folder of its own and stops it (``make test-rt``, and whoever needs RT besides); tests get
its address in ``CASEPROOF_TEST_RT``. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

VARIABLE = "CASEPROOF_TEST_RT"
"""The environment variable with the address of the one under test."""
RT = os.environ.get(VARIABLE, "")
"""That address; empty where there is none."""
PACKAGES = ("request-tracker5", "rt5-db-sqlite", "rt5-standalone")
USER, PASSWORD, ROOT_PASSWORD = "caseproof", "a-made-up-password", "another-made-up-password"
QUEUE, RAISED, ELSEWHERE, FIELD = "Integrations", "Front line", "Elsewhere", "Caseproof"
"""The same names as the made-up one has (`sandbox/rt.py`)."""
RENAMED = "renamed"
SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")

_PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
_SECONDS = 120
_ENDS = 30

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
@CustomFields = ({{
    Name => '{field}', Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', Queue => [@queues],
}});
@Queues = ({{ Name => '{queue}' }}, {{ Name => '{raised}' }}, {{ Name => '{elsewhere}', Lifecycle => '{renamed}' }});
@Users = ({{
    Name => '{user}', Password => '{password}', Privileged => 1, EmailAddress => 'caseproof@example.com',
    RealName => 'Caseproof',
}});
@ACL = map {{ my $right = $_; map {{ {{ Right => $right, Queue => $_, UserId => '{user}' }} }} @queues }}
    qw(SeeQueue CreateTicket ShowTicket ShowTicketComments CommentOnTicket ReplyToTicket ModifyTicket
       SeeCustomField ModifyCustomField);
@Final = (sub {{
    my $user = RT::User->new(RT->SystemUser);
    $user->Load('{user}');
    my (undef, $said, $token) = RT::AuthToken->new(RT->SystemUser)->Create(Owner => $user->Id, Description => 'tests');
    open(my $file, '>', '{folder}/token') or die $!;
    print $file $token or die $said;
    close $file;
}});
"""


class RtFailed(SystemExit):
    """It cannot be started: what it says itself, and what to do."""


def _program(name: str) -> str:
    """The path of a program of RT's, which is installed (as root) where it is not there."""
    if shutil.which(name, path=_PLACES) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES],
            check=True, env=quiet, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    path = shutil.which(name, path=_PLACES)
    if path is None:
        raise RtFailed(
            f"{name} is not on this machine. Next: install Request Tracker 5 (Debian: {' '.join(PACKAGES)})."
        )
    return path


@contextmanager
def started() -> Iterator[str]:
    """A Request Tracker with an account, queues and the custom field of ours: its address, as people open it."""
    set_up = _program("rt-setup-database-5")
    with tempfile.TemporaryDirectory(prefix="request-tracker-") as name:
        folder = Path(name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        _write(folder, port)
        environment = os.environ | {
            "RT_SITE_CONFIG": str(folder / "site.pm"), "RT_SITE_CONFIG_DIR": str(folder / "none"),
            "HOME": str(folder), "TMPDIR": str(folder / "tmp"),
        }  # fmt: skip
        whose = _whose(folder)
        for action in (
            ["--action", "init", "--skip-create", "--root-password-file", str(folder / "password")],
            ["--action", "insert", "--datafile", str(folder / "data.pl"), "--skip-create"],
        ):
            done = subprocess.run(
                [set_up, *action], env=environment, cwd=folder, capture_output=True, text=True, check=False, **whose
            )
            if done.returncode or "[error]" in done.stderr or "[crit" in done.stderr:  # it ends with 0 all the same
                raise RtFailed(f"Request Tracker could not be set up: {(done.stderr or done.stdout)[-2000:]}")
        process = None
        try:
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [str(SERVER), "--host", "127.0.0.1", "--port", str(port), "--max-workers", "4"],
                    env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True, **whose,
                )  # fmt: skip
            url = f"http://127.0.0.1:{port}"
            _wait(process, url, folder / "log")
            yield url
        finally:
            if process is not None:
                _stop(process)


def _write(folder: Path, port: int) -> None:
    for one in ("mason_data", "session_data", "none", "tmp"):
        (folder / one).mkdir()
    (folder / "site.pm").write_text(_SITE.format(folder=folder, port=port, renamed=RENAMED), encoding="utf-8")
    data = _DATA.format(
        field=FIELD, queue=QUEUE, raised=RAISED, elsewhere=ELSEWHERE, renamed=RENAMED, user=USER, password=PASSWORD,
        folder=folder,
    )  # fmt: skip
    (folder / "data.pl").write_text(data, encoding="utf-8")
    (folder / "password").write_text(f"{ROOT_PASSWORD}\n", encoding="utf-8")


def _whose(folder: Path) -> dict[str, Any]:
    """As whom it runs: as us, or where we are root as nobody."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            asked(url, "GET", "rt")
        except OSError:
            time.sleep(0.3)
        else:
            return
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RtFailed(f"Request Tracker did not start at {url}. It said: {said.strip() or 'nothing'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it with its workers."""
    if process.poll() is None:
        process.terminate()  # which ends its workers, too
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_ENDS)


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

    def merge(self, dead: str, alive: str) -> None:
        asked(self._url, "PUT", f"ticket/{dead}", {"MergeInto": alive})

    def delete(self, ticket: str) -> None:
        asked(self._url, "DELETE", f"ticket/{ticket}")

    def delete_all(self) -> None:
        """So that what one test made no other one finds."""
        while found := asked(self._url, "GET", "tickets?per_page=100&query=id%20%3E%200")["items"]:
            for one in found:
                self.delete(one["id"])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(KeyboardInterrupt), started() as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        signal.pause()
