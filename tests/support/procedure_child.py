"""One step in a process of its own, to be killed in the middle: ``procedure_child.py STEP HOME REF URL``.

It starts when a line comes in, and prints "done" if it is let live so long.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from caseproof.channels.outbound.mail import MailAccount, send
from caseproof.config.settings import Settings
from caseproof.platforms.prefect import PrefectJobsClient
from caseproof.procedure.containment.containment import contain
from caseproof.procedure.core.services import bootstrap
from caseproof.procedure.notify.telling import tell_retailer


def main() -> None:
    step, home, ref, url = sys.argv[1:]
    services = bootstrap(Settings(home=Path(home)))
    sys.stdin.readline()
    if step == "stop":
        with PrefectJobsClient(f"{url}/api", url) as platform:
            contain(services.stopping, platform, ref)
    else:
        account = MailAccount("127.0.0.1", urlsplit(url).port or 0, "plain", None, "", timeout_seconds=10)
        tell_retailer(
            services.ledger,
            services.dispatch(lambda content, sender, to: send(account, content, sender=sender, recipients=to)),
            services.policy,
            ref,
        )
    sys.stdout.write("done\n")


main()
