"""Whether a library's error comes of a time-out: told by what was raised, never by its text."""

from __future__ import annotations

from collections.abc import Iterator


def timed_out(error: BaseException) -> bool:
    """Whether the error is a time-out, or was raised because of one: smtplib and imaplib wrap them in their own."""
    return any(isinstance(one, TimeoutError) for one in _behind(error))


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
