"""The sentences by which versions without codes decided, and the codes that these decisions have now. Frozen.

Events, rows and intents that were written before there were codes stay as they are, and so do their digests: they get
their codes when they are read. No line here ever changes, and none is added: what is written now carries its code. The
codes are texts here, so that a migration can read them whatever becomes of the program.
"""

from __future__ import annotations

TROUBLES: tuple[tuple[str, str, str, str], ...] = (
    ("verify the run", "The run ", " is still going.", "still_running"),
)  # fmt: skip
"""A trouble's step, how its problem begins and ends, and its code."""

MESSAGES: tuple[tuple[str, str], ...] = (
    ("asks for help", "help"),
    ("asks something or needs help", "question"),
)
"""What stands somewhere in the reason why a message ended where it did, and its code."""

RESTS: tuple[tuple[str, str], ...] = (("parked", "parked"), ("", "runs_died"))
"""How the reason of a rest begins, and its code."""

MAIL_ANSWERS: tuple[tuple[str, str], ...] = (("4", "for_now"), ("", "for_good"))
"""How the words of a mail server begin that said no, and their code."""


def old_trouble(step: str, problem: str) -> str:
    """The code of a trouble that was written without one; "" where nothing was ever decided by it."""
    found = (code for its, begins, ends, code in TROUBLES if step == its and _is(problem, begins, ends))
    return next(found, "")


def old_message(why: str) -> str:
    """The code of a message, or of the event that it became, from the reason alone; "" as above."""
    return next((code for words, code in MESSAGES if words in why), "")


def old_rest(why: str) -> str:
    """The code of a rest from its reason alone."""
    return next(code for begins, code in RESTS if why.startswith(begins))


def old_mail_answer(words: str) -> str:
    """The code of what a mail server answered, where only its words were kept."""
    return next(code for begins, code in MAIL_ANSWERS if words.startswith(begins))


def _is(text: str, begins: str, ends: str) -> bool:
    return text.startswith(begins) and text.endswith(ends)
