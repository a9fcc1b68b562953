"""The key that links and reply addresses are signed with: a file of its own in the home, outside the store.

The store knows its fingerprint alone. So whoever reads the store or a backup can sign nothing, and a home without the
key that is in force says so, where making another one would silently void every link that is out. Keys of before are
kept aside: they sign nothing, and only tell an address of before from a made-up one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from caseproof.config import kept_key
from caseproof.config.clock import Clock
from caseproof.domain.errors import CaseproofError
from caseproof.evidence.vault import whole_file
from caseproof.store import Store

NAME, VOID_NAME = "answers", "answers-void"
"""What the files in the home's folder of keys are called: the key in force, and those of before, a line each."""

NAMES = (NAME, VOID_NAME)

IN_FORCE = "answer-key"
"""The mark in the store that holds the fingerprint of the key in force."""
LINKS_VOID = "answer-links-void"
"""The mark that says since when there may be letters out whose links are void."""
SECRET_OF_BEFORE = "answer-secret-void"  # noqa: S105 - the name of a mark
"""The mark that the migration left with the key that used to lie in the store."""


class KeyLost(CaseproofError):
    """The key that links are signed with is not in this home, or it is another one."""


def fingerprint(secret: bytes) -> str:
    """What the store and the events know of a key: 16 hex digits, from which nobody finds it."""
    return hashlib.sha256(b"caseproof answers\0" + secret).hexdigest()[:16]


class AnswerKeys:
    """The keys of a home; ``folder`` is its folder of keys."""

    def __init__(self, folder: Path, store: Store, clock: Clock) -> None:
        self.folder = folder
        self._store, self._clock = store, clock
        self._checked = ""

    @property
    def path(self) -> Path:
        """The file of the key in force."""
        return self.folder / NAME

    def in_force(self) -> bytes:
        """The key that is in force, made where there never was one; read anew each time, for another may replace it.

        Raises KeyLost, BadInput, StoreError.
        """
        kept = kept_key.read(self.path)
        if kept is None or kept != self._checked:
            kept = self._settled()
            self._checked = kept
        return bytes.fromhex(kept)

    def known(self) -> bytes | None:
        """The key in force, None where there is none yet; makes and changes nothing. Raises KeyLost, BadInput."""
        if not self.refuse_another():
            return None
        kept = kept_key.read(self.path)
        return bytes.fromhex(kept) if kept is not None and _is_key(kept) else None

    def void(self) -> Sequence[bytes]:
        """The keys of before, which sign nothing any more."""
        lines = (kept_key.read(self.folder / VOID_NAME) or "").split()
        return [bytes.fromhex(line) for line in lines if _is_key(line)]

    def take_out_of_the_store(self) -> None:
        """Move the key of before from the store, where it lay until revision 0009, to those that are kept aside."""
        with self._store.reading() as uow:
            found = uow.cursors.get(SECRET_OF_BEFORE)
        if found is not None:
            self._keep_aside(found[0])
            with self._store.uow() as uow:
                uow.cursors.forget(SECRET_OF_BEFORE)
                uow.commit()

    def renew(self) -> int:
        """Make another key: every link and address that is out is void from now on.

        Gives how many open cases wait for their retailer: the keeper sends each of these a letter with a new link.
        Raises BadInput, StoreError.
        """
        self.take_out_of_the_store()
        old = kept_key.read(self.path)
        if old is not None and _is_key(old):
            self._keep_aside(old)
        kept_key.forget(self.path)
        new = kept_key.read_or_make(self.path, _make)
        now = self._clock()
        with self._store.uow() as uow:  # a process that dies before leaves a key that is refused, never a wrong one
            uow.cursors.set(IN_FORCE, fingerprint(bytes.fromhex(new)), now)
            uow.cursors.set(LINKS_VOID, "", now)
            waiting = uow.cases.look_at_waiting(now)
            uow.commit()
        self._checked = new
        return waiting

    def after_restore(self) -> int | None:
        """Where this home lacks the key of the store that was restored: another one. Gives what ``renew`` gives, None
        where links stay as they were, or where an older store voided them by itself."""
        with self._store.reading() as uow:
            known = uow.cursors.get(IN_FORCE)
        kept = kept_key.read(self.path)
        if known is None or (kept is not None and _is_key(kept) and fingerprint(bytes.fromhex(kept)) == known[0]):
            return None
        return self.renew()

    def refuse_another(self) -> str:
        """The fingerprint of the key in force, "" where none was needed yet; changes nothing. Raises KeyLost."""
        with self._store.reading() as uow:
            known = uow.cursors.get(IN_FORCE)
        return "" if known is None else fingerprint(bytes.fromhex(self._right(kept_key.read(self.path), known[0])))

    def _settled(self) -> str:
        self.take_out_of_the_store()
        with self._store.reading() as uow:
            known = uow.cursors.get(IN_FORCE)
        # Anew: who made the first key meanwhile had its file before its mark, and one look may fall between the two.
        kept = kept_key.read_or_make(self.path, _make) if known is None else kept_key.read(self.path)
        return self._right(kept, known[0] if known else self._note(kept or ""))

    def _right(self, kept: str | None, wanted: str) -> str:
        """What is kept, where it is the key with this fingerprint."""
        if kept is None or not _is_key(kept) or fingerprint(bytes.fromhex(kept)) != wanted:
            what = "is not there" if kept is None else "is not the one that is in force"
            raise KeyLost(
                f"The key that links and reply addresses are signed with {what}: {self.path}.",
                "Put it back (a backup made --with-keys has it), or make another one with `caseproof keys new`: that "
                "voids every link that is out, and each case that waits for its retailer sends a new one.",
            )
        return kept

    def _note(self, kept: str) -> str:
        """Note the fingerprint of the key in force; gives it, "" for what is no key."""
        if not _is_key(kept):
            return ""
        ours = fingerprint(bytes.fromhex(kept))
        with self._store.uow() as uow:
            known = uow.cursors.get(IN_FORCE)  # another process may have been quicker
            if known is None:
                uow.cursors.set(IN_FORCE, ours, self._clock())
                uow.commit()
        return known[0] if known else ours

    def _keep_aside(self, key: str) -> None:
        path = self.folder / VOID_NAME
        lines = (kept_key.read(path) or "").split()
        if key in lines or not _is_key(key):
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        with whole_file(path) as file:  # 0600 from the start
            file.write("".join(f"{line}\n" for line in (*lines, key)).encode())


def _make() -> str:
    return secrets.token_hex(32)


def _is_key(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == 32
    except ValueError:
        return False
