"""Text from outside as it may be shown on a terminal, in a ticket or in a log: everything that acts is taken out.

A terminal obeys what is hidden in a text: escape codes move the cursor, rewrite what stands above, hide letters or make
links; marks of direction turn a name round; a line end makes one line two. What is left is what can be seen.
"""

from __future__ import annotations

import re

UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
"""What takes no room or turns the direction, as a class of an expression."""

_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI: colours, the cursor, what is erased
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"  # OSC: links, titles
    r"|\x1b[ -/]{0,8}[0-~]"
)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_UNSEEN = re.compile(f"[{UNSEEN}]")
_ACTS = re.compile("[\x00-\x09\x0e-\x1b\x1f\x7f-\x9f]")
_HALVES = re.compile("[\ud800-\udfff]")
_QUICK = re.compile(f"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{UNSEEN}]")


def visible(text: str) -> str:
    """The text without what acts on a terminal; its lines stay, whatever they ended with, and a tab is a blank.

    What takes no room goes; a control character becomes a blank, so that people see what else stood there (``[2J``);
    half a pair of UTF-16, which cannot be written at all, becomes U+FFFD.
    """
    if not _QUICK.search(text):
        return text
    text = _ACTS.sub(" ", _UNSEEN.sub("", _LINE_ENDS.sub("\n", text)))
    return _HALVES.sub("\ufffd", text)


def without_sequences(text: str) -> str:
    """The text without whole escape sequences: what a library coloured, where colours do not pass."""
    return _SEQUENCES.sub("", text)


def one_line(text: object) -> str:
    """The text as ``visible`` has it, on one line and without blanks at its ends: a name stays one name."""
    return " ".join(visible(str(text)).split())
