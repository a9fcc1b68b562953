"""What a person or a log could see of an error."""

from __future__ import annotations

import traceback


def shown_of(error: BaseException) -> str:
    """Its words, its repr and its whole traceback, the libraries' own errors before it included."""
    return repr(error) + str(error) + "".join(traceback.format_exception(error))
