"""What the domain refuses, as a tree.

CaseproofError            every error that a person is meant to read
├── BadInput              what was given cannot be used (unknown case, malformed form, ...)
└── NotAllowed            the procedure does not allow this now
    ├── ClosureRefused    closing, with the list of what is missing
    └── NotOnTheTeam      a decision or approval by somebody who is not on the team list

Each carries a sentence that says what is wrong and a ``next_action`` that says what to do about it, for people; and a
``code``, which is all that a program may decide by, besides the class.
"""

from __future__ import annotations

from caseproof.domain.codes import Code


class CaseproofError(Exception):
    """An error for people: what is wrong, and the next action.

    ``str(error)`` joins both, so that a log line or a terminal never shows the one without the other.
    """

    code: Code = Code.OTHER

    def __init__(self, problem: str, next_action: str = "") -> None:
        self.problem = problem
        self.next_action = next_action
        super().__init__(f"{problem} Next: {next_action}" if next_action else problem)

    def offer(self, more: str) -> None:
        """Add a sentence to the next action."""
        self.next_action = f"{self.next_action} {more}".strip()
        self.args = (f"{self.problem} Next: {self.next_action}",)


class BadInput(CaseproofError):
    """What was given cannot be used."""

    code = Code.BAD_INPUT


class NotAllowed(CaseproofError):
    """The procedure does not allow this now."""

    code = Code.NOT_ALLOWED


class NotOnTheTeam(NotAllowed):
    """Somebody decided or approved who is not on the policy's team list."""

    code = Code.NOT_ON_THE_TEAM


class ClosureRefused(NotAllowed):
    """A case may not close yet; the text names each missing item with its rule."""

    code = Code.CLOSURE_REFUSED
