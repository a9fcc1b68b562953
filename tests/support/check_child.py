"""Checks of a platform, each in a process of its own that can be killed: ``check_child.py HOME API_URL``.

It has everything imported and forks at each line that comes in, so that a start costs little. It says, a line each:
"started PID", then "begins N" when so many jobs are about to be stopped, "done" if the check lived so long, and
"ended STATUS" as the process ended (a negative number is the signal that killed it).
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from caseproof.config.settings import Settings
from caseproof.platforms.prefect import PrefectJobsClient
from caseproof.procedure.containment.checking import carry_out, check_lock, plan_check
from caseproof.procedure.core.services import bootstrap


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def check(home: str, url: str) -> None:
    # A tenth of the wait before the second read-back, so that a test sees many of them.
    services = replace(bootstrap(Settings(home=Path(home))), sleep=lambda seconds: time.sleep(seconds / 10))
    with check_lock(services.settings, "farm"), PrefectJobsClient(url, url.removesuffix("/api")) as platform:
        looked = plan_check(services.ledger, services.policy, "farm", platform)
        say(f"begins {len(looked.targets)}")
        done = carry_out(services.stopping, looked)
        say(f"done {done.wrong}".strip())


def main() -> None:
    home, url = sys.argv[1:]
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                check(home, url)
            except BaseException as error:
                say(f"failed {type(error).__name__}: {error}")
                os._exit(1)
            os._exit(0)
        say(f"started {child}")
        say(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")


main()
