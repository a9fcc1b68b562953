"""The voice accounts in their order: the second calls where the first cannot.

In doubt somebody is called twice (rule 9): where it stays unknown whether the first account calls, the second does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from caseproof.channels.provider import ChannelDown, ChannelError, ChannelRefused
from caseproof.channels.voice.dialling import Line
from caseproof.channels.voice.progress import CallState
from caseproof.channels.voice.twilio import Call, Placed, TwilioVoice
from caseproof.domain.errors import BadInput


class VoiceAccounts:
    """Calls with the first account that can. Raises BadInput without an account.

    The same account twice is one: who set it up so is told by the doctor and at the set-up, and people are called.
    """

    def __init__(self, accounts: Sequence[TwilioVoice]) -> None:
        if not accounts:
            raise BadInput("There is no voice account.", "Save a block of the type caseproof-twilio-voice.")
        self._accounts: dict[str, TwilioVoice] = {}
        for one in accounts:
            if self._accounts.setdefault(one.account.sid, one) is not one:
                one.close()

    @property
    def tokens(self) -> Mapping[str, str]:
        """Each account's auth token by its SID, for ``signature.signed_by``. Secret."""
        return {sid: one.account.auth_token for sid, one in self._accounts.items()}

    def close(self) -> None:
        """Close the connections."""
        for one in self._accounts.values():
            one.close()

    def place(self, call: Call, at: datetime, known: Collection[str] = (), not_by: Collection[str] = ()) -> Placed:
        """Place the call by the first account that takes it. ``not_by``: accounts that took a call and did not ring.

        All are tried where ``not_by`` names all. Raises ChannelError, which says what each answered: ChannelRefused
        where all refused, else ChannelDown.
        """
        order = [one for sid, one in self._accounts.items() if sid not in not_by] or list(self._accounts.values())
        failed: list[ChannelError] = []
        for one in order:
            try:
                return one.place(call, at, known)
            except ChannelError as error:
                failed.append(error)
        if len(failed) == 1:
            raise failed[0]
        told = " ".join(error.problem for error in failed)
        if all(isinstance(error, ChannelRefused) for error in failed):
            raise ChannelRefused(told, failed[0].next_action)
        maybe = any(isinstance(error, ChannelDown) and error.maybe_done for error in failed)
        raise ChannelDown(told, "Try again, and reach people by mail and Teams meanwhile.", maybe_done=maybe)

    def find(self, line: Line, since: datetime, known: Collection[str] = ()) -> Placed | None:
        """A call to this number since then that nobody knows, of any account; None for none.

        An account that does not answer is passed over where another shows one. Raises ChannelError where none does.
        """
        failed: ChannelError | None = None
        for one in self._accounts.values():
            try:
                found = one.find(line, since, known)
            except ChannelError as error:
                failed = error
            else:
                if found is not None:
                    return found
        if failed is not None:
            raise failed
        return None

    def only(self, line: Line, since: datetime, known: Collection[str] = ()) -> Placed | None:
        """The call to this number since then that nobody knows, where there is one and no other; else None.

        Two emergencies may call one number at the same time, and nothing in Twilio's list says whose a call is.
        Raises ChannelError where an account does not answer.
        """
        found = [call for one in self._accounts.values() for call in one.found(line, since, known)]
        return found[0] if len(found) == 1 else None

    def state(self, placed: Placed) -> CallState | None:
        """How far a call is, by its account. Raises ChannelError."""
        return self._of(placed).state(placed.call)

    def hang_up(self, placed: Placed) -> None:
        """End a call. Raises ChannelError."""
        self._of(placed).hang_up(placed.call)

    def _of(self, placed: Placed) -> TwilioVoice:
        account = self._accounts.get(placed.account)
        if account is None:
            raise ChannelRefused(
                f"The call {placed.call} was placed by an account that is not saved any more.",
                "Save it again, or look at the call in Twilio's console.",
            )
        return account
