"""What is dialled: a number as the whole world dials it, and behind a main number an extension, with its pauses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from caseproof.domain.errors import BadInput

LONGEST_DIGITS = 32
"""So many keys and pauses Twilio sends after the other side has answered."""

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_EXTENSION = re.compile(r"[0-9*#wW, ]*[0-9][0-9*#wW, ]*")


@dataclass(frozen=True, slots=True)
class Line:
    """Whom a call reaches. Raises BadInput for what cannot be dialled.

    ``number``: E.164, like +442079460000. ``extension``: what is pressed once that number has answered, with pauses in
    it where the other side needs them: ``w`` is half a second, ``W`` one, a comma two, as telephones have it.
    ``pause_seconds``: how long the main number speaks before it listens; in steps of half a second.
    """

    number: str
    extension: str = ""
    pause_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not _NUMBER.fullmatch(self.number):
            raise BadInput(
                f"{self.number[:40]!r} cannot be dialled.", "Write the number with its country, like +442079460000."
            )
        if self.extension and not _EXTENSION.fullmatch(self.extension):
            raise BadInput(
                f"{self.extension[:40]!r} is no extension.",
                "Use digits, * and #, and for pauses w (half a second), W (one) or a comma (two).",
            )
        if not 0 <= self.pause_seconds <= LONGEST_DIGITS:
            raise BadInput(f"A pause of {self.pause_seconds:g} seconds is none.", "Use 0 to 10 seconds.")
        if len(self.keys) > LONGEST_DIGITS:
            raise BadInput(
                f"The extension {self.extension!r} with its pauses is {len(self.keys)} keys long.",
                f"At most {LONGEST_DIGITS} are sent: use W for a whole second, or a shorter pause.",
            )

    @property
    def keys(self) -> str:
        """What is sent after the answer, as Twilio's ``SendDigits`` has it; empty without an extension."""
        if not self.extension:
            return ""
        halves = round(self.pause_seconds * 2)
        pressed = self.extension.replace(" ", "").replace(",", "WW")
        return f"{'W' * (halves // 2)}{'w' * (halves % 2)}{pressed}"

    def __str__(self) -> str:
        return f"{self.number} extension {self.extension}" if self.extension else self.number
