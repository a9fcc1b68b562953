"""A doctor who waits for answers as long as a slow machine needs: what hangs is for the tests of its parts.

Run as a program, it is the command: ``python -m tests.support.patient_doctor doctor --json``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caseproof.cli import main
from caseproof.doctor import calls, examination, machine, outside, web_doors

SECONDS = 60.0


def be_patient(change: Callable[[Any, str, Any], object] = setattr) -> None:
    """Give each call a minute, and each check many times what it has; ``change`` is what setattr is."""
    for module, names in {
        calls: ("CONNECT_SECONDS", "READ_SECONDS"),
        machine: ("PICTURE_SECONDS",),
        outside: ("MAIL_SECONDS", "MAILBOX_SECONDS"),
        web_doors: ("_SECONDS",),
    }.items():
        for name in names:
            assert isinstance(getattr(module, name), float)
            change(module, name, SECONDS)
    within = examination._within
    change(examination, "_within", lambda seconds, work: within(10 * seconds, work))


if __name__ == "__main__":
    be_patient()
    main()
