"""What this process has folded already: a case that is read again costs what happened to it since, not all of it."""

from __future__ import annotations

import threading
from collections import OrderedDict

from caseproof.domain.case import Case

_MOST = 200
"""A case of a hundred events takes about a tenth of a megabyte."""


class Folds:
    """The cases that were read last, each as it was then. Safe to share between threads.

    Nothing here is the truth: whoever takes a case from here asks the store what happened since, and compares the
    digest of it all with the one in the case's row (``Cases.get``).
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Case] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, ref: str) -> Case | None:
        """The case as it was, None for one that was not read lately."""
        with self._lock:
            if ref in self._kept:
                self._kept.move_to_end(ref)
            return self._kept.get(ref)

    def forget(self, ref: str | None = None) -> None:
        """Have this case, or every one, read from its beginning the next time."""
        with self._lock:
            if ref is None:
                self._kept.clear()
            else:
                self._kept.pop(ref, None)

    def keep(self, case: Case) -> None:
        """Remember the case; the one that nobody asked for for longest is forgotten."""
        with self._lock:
            self._kept[case.ref] = case
            self._kept.move_to_end(case.ref)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
