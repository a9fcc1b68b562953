"""What paging works with in an installation: whom to call, by what, and what the policy says. None of it needs Prefect.

The channels are the last good copy of what the blocks say (``channels.kept_channels``); whoever can read the blocks
keeps it fresh. Each is looked at when it is needed, so that what is saved anew counts in an emergency that goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from caseproof.channels.kept_channels import KeptChannels, NotSetUp, kept_channels, path_of
from caseproof.channels.outbound.kept_mail import KeptMail
from caseproof.channels.outbound.mail import Send as SendMail
from caseproof.channels.teams.webhook import TeamsWebhook
from caseproof.channels.voice.accounts import VoiceAccounts
from caseproof.channels.voice.goto import GoToVoice
from caseproof.channels.voice.twilio import Placed, TwilioVoice
from caseproof.config.clock import Clock
from caseproof.config.paging import PagingPolicy
from caseproof.config.policy import Policy
from caseproof.config.policy_check import zone_of
from caseproof.domain.case import Case
from caseproof.domain.emergency.due import Callee
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.raising import Raising, refuse_raising
from caseproof.domain.emergency.vocabulary import Channel, Criterion
from caseproof.domain.errors import CaseproofError
from caseproof.domain.on_call.calling import CaseToCall, Coverage, who_to_call
from caseproof.domain.on_call.duty import OnCall
from caseproof.domain.on_call.turns import duty_ends
from caseproof.domain.people import same_person
from caseproof.procedure.core.on_call import Window, call_plan, contracts_of
from caseproof.procedure.core.parts import Ledger, Links
from caseproof.procedure.paging.by_link import Keys, link_for
from caseproof.procedure.paging.calls import CallKey, call_key
from caseproof.procedure.paging.engine import Addresses, Pager, Whom
from caseproof.procedure.paging.lanes import Lane
from caseproof.procedure.paging.lines import Lines, Message, Ring
from caseproof.procedure.paging.post import Letters, card_of
from caseproof.procedure.paging.raising import OpenCase, raise_emergency
from caseproof.procedure.paging.telephone import Telephone
from caseproof.store import CaseStore

LOOKS_AHEAD = timedelta(days=2)
"""A shift that ends later than this ends after any acknowledgement."""
LIST_HOLDS = timedelta(seconds=10)
"""How long a call list holds that was read, and what it says: it is asked again and again while people are called."""

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class PagingParts:
    """``policy`` gives what is in force, ``keys`` what links and calls are signed with; ``home`` has the calendars and
    the copy of the channels."""

    ledger: Ledger
    policy: Callable[[], Policy]
    keys: Callable[[], Keys]
    home: Path
    links: Links

    @property
    def paging(self) -> PagingPolicy:
        """How people are reached; what is built in where nobody can read the policy: that keeps nobody from helping."""
        try:
            return self.policy().paging
        except CaseproofError as error:
            _log.error("The policy cannot be read, and what is built in counts for this emergency: %s", error)
            return PagingPolicy()

    def whole_team(self, criteria: Iterable[Criterion]) -> bool:
        """Whether the policy has everybody called at once for what is down."""
        return any(one in self.paging.everybody_at_once for one in criteria)

    def within_contract(self, client: str, contract: str = "") -> bool | None:
        """Whether the client's contract covers this moment (E11); None where nobody can say it now."""
        now = self.ledger.clock()
        try:
            policy = self.policy()
            known = next((one for one in policy.clients if same_person(one, client)), "")
            contracts = contracts_of(policy.contracts, range(now.year - 1, now.year + 2))
            plan = OnCall((), (), contracts=contracts, clients=policy.clients)  # no calendar: nobody waits for one
            covered = who_to_call(now, CaseToCall(known, contract), plan).coverage
        except Exception:
            _log.exception("What the contract says of this hour cannot be told.")
            return None
        return {Coverage.COVERED: True, Coverage.BILLED: True, Coverage.OUTSIDE: False}.get(covered)

    def shift_ends(self, person: str) -> datetime | None:
        """When the shift of whoever takes it ends; None where they have none, or nobody can say it now."""
        now = self.ledger.clock()
        try:
            plan = call_plan(self.policy(), self.home, Window.around(now, LOOKS_AHEAD.days), fetch=False)
            return duty_ends(person, now, now + LOOKS_AHEAD, plan)
        except Exception:
            _log.exception("When the shift of %s ends cannot be told.", person)
            return None

    def mail_of(self, person: str) -> list[str]:
        """Where somebody of the team is written to: as the policy's lists say, else as their login has it; none where
        neither knows, or nobody can say it now. What a form says of itself is no address: mail goes to whom we know."""
        try:
            policy = self.policy()
            if known := policy.ladder.mail_of(person, policy.on_call):
                return [known]
            with self.ledger.store.reading() as uow:
                login = uow.logins.named(person)
        except CaseproofError as error:
            _log.warning("Where %s is written to cannot be told: %s", person, error)
            return []
        return [login.email] if login is not None and login.email else []

    def zone(self, person: str = "") -> ZoneInfo:
        """The time zone of somebody on the list; of all others, that of our letters."""
        try:
            policy = self.policy()
        except CaseproofError:
            return ZoneInfo("UTC")
        found = next((one for one in policy.on_call.people if same_person(one.name, person)), None)
        return zone_of(found.timezone) if found else policy.letters_zone


# -- whom to call ---------------------------------------------------------------------------------------------------


class CallList:
    """Whom to call (E10), an ``engine.Whom``: by the policy's list and the calendars' last copies."""

    def __init__(self, parts: PagingParts) -> None:
        self._parts, self._lock = parts, threading.Lock()
        self._read: _Read | None = None

    def __call__(self, now: datetime, case: Case) -> Sequence[Callee]:
        """The people in their order. Raises PolicyError where there never was a usable policy."""
        with self._lock:
            if self._read is None or not self._read.at <= now < self._read.at + LIST_HOLDS:
                window = Window.around(now, LOOKS_AHEAD.days)
                self._read = _Read(now, call_plan(self._parts.policy(), self._parts.home, window, fetch=False))
            return self._read.people(case_to_call(case))


@dataclass
class _Read:
    """A call list as it was read ``at`` a moment, and what it says for that moment: who asks is told in no time."""

    at: datetime
    plan: OnCall
    _said: dict[CaseToCall, Sequence[Callee]] = field(default_factory=dict)
    _ends: dict[str, datetime | None] = field(default_factory=dict)

    def people(self, case: CaseToCall) -> Sequence[Callee]:
        if case not in self._said:
            found = [one.person for one in who_to_call(self.at, case, self.plan).calls]
            self._said[case] = [Callee(one.name, one.lines, one.mail, one.teams, self._end(one.name)) for one in found]
        return self._said[case]

    def _end(self, person: str) -> datetime | None:
        if person not in self._ends:
            self._ends[person] = duty_ends(person, self.at, self.at + LOOKS_AHEAD, self.plan)
        return self._ends[person]


class Raisers:
    """Where who raised an emergency is written to; a few hundred of one person ask for it once in a while."""

    def __init__(self, parts: PagingParts) -> None:
        self._parts = parts
        self._asked: dict[str, tuple[datetime, list[str]]] = {}

    def __call__(self, name: str) -> list[str]:
        """Their address; none where nobody knows one."""
        now, known = self._parts.ledger.clock(), self._asked.get(name)
        if known is None or not known[0] <= now < known[0] + LIST_HOLDS:
            known = self._asked[name] = now, self._parts.mail_of(name)
        return known[1]


def case_to_call(case: Case) -> CaseToCall:
    """What of a case decides whom to call: its client, and its contract where it names one."""
    facts = case.facts
    return CaseToCall(str(facts.get("client") or facts.get("retailer") or ""), str(facts.get("contract") or ""))


# -- by what --------------------------------------------------------------------------------------------------------


class Channels:
    """The clients of the kept channels; made anew when the copy is another one. Safe to use from several threads."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self._home, self._clock, self._lock = home, clock, threading.Lock()
        self._seen: object = None
        self._kept = KeptChannels()
        self._made: dict[str, object] = {}
        self.under_way: dict[str, Placed] = {}
        """The calls that are under way, by their keys (``Telephone``)."""
        self.lanes = {channel: Lane(f"paging-{channel}") for channel in Channel}
        """What runs the tries of each channel, beside those of the others."""

    def kept(self) -> KeptChannels:
        """The copy as it is now. Raises BadInput where it cannot be read."""
        with self._lock:
            return self._look()

    def voices(self) -> VoiceAccounts:
        """What calls people. Raises NotSetUp without a voice account."""

        def made(kept: KeptChannels) -> VoiceAccounts:
            if not kept.voices:
                raise NotSetUp("There is no voice account.", "Save a block of it, and name it in paging.voice.")
            return VoiceAccounts([TwilioVoice(one) for one in kept.voices])

        return self._client("voices", made)

    def tokens(self) -> Mapping[str, str]:
        """Each voice account's auth token by its SID: whether a call-back is the provider's. Secret."""
        # Of one account that was saved twice the first block counts, as where it calls.
        return {one.sid: one.auth_token for one in reversed(self.kept().voices)}

    def teams(self) -> TeamsWebhook:
        """What posts cards. Raises NotSetUp without a web hook."""

        def made(kept: KeptChannels) -> TeamsWebhook:
            if kept.teams is None:
                raise NotSetUp("There is no Teams web hook.", "Save a block of it, and name it in paging.teams.")
            return TeamsWebhook(kept.teams)

        return self._client("teams", made)

    def connect(self) -> GoToVoice | None:
        """What rings an operator's own line and connects it; None where there is none."""

        def made(kept: KeptChannels) -> GoToVoice | None:
            return GoToVoice(kept.connect, self._clock) if kept.connect is not None else None

        return self._client("connect", made)

    def mail(self, most_seconds: float) -> SendMail:
        """What sends mail, at once: nobody waits for the pace of other letters. Raises NotSetUp without an account.

        ``most_seconds``: so long the server may be silent, if its own time-out is not shorter.
        """

        def made(kept: KeptChannels) -> KeptMail:
            if kept.mail is None:
                raise NotSetUp("There is no mail account.", "Save its block, and name it in mail.account.")
            most = min(kept.mail.timeout_seconds, most_seconds)
            return KeptMail(replace(kept.mail, timeout_seconds=most))

        return self._client(f"mail, {most_seconds:g} s", made)

    def _client(self, what: str, make: Callable[[KeptChannels], T]) -> T:
        with self._lock:
            kept = self._look()
            if what not in self._made:
                self._made[what] = make(kept)
            return self._made[what]  # type: ignore[return-value]

    def _look(self) -> KeptChannels:
        """Clients of before are left to the tries that use them."""
        try:
            found = path_of(self._home).stat()
            seen: object = (found.st_mtime_ns, found.st_ino, found.st_size)
        except OSError:
            seen = ()
        if seen != self._seen:
            self._kept, self._made, self._seen = kept_channels(self._home), {}, seen
        return self._kept


def lines_of(parts: PagingParts, channels: Channels, wait: Callable[[threading.Event, float], bool]) -> Lines:
    """The three channels of E8 as the engine has them."""
    rules = parts.paging.rules
    raiser = Raisers(parts)

    def mail(message: Message) -> str:
        policy = parts.policy()
        others = [*policy.paging.product_team, *policy.paging.updates_to, *raiser(message.raised_by)]
        most = rules.message.total_seconds() / 2
        lane = channels.lanes[Channel.MAIL]
        return Letters(lambda: channels.mail(most), policy.mail.sender, others, parts.ledger.clock, lane)(message)

    def teams(message: Message) -> str:
        channels.teams().post(card_of(message, parts.links))
        return "Teams took the card, and does not say whether it was posted"

    def address(ring: Ring) -> str:
        try:
            key = call_key(parts.keys().secret, CallKey(ring.ref, ring.emergency, ring.attempt))
        except CaseproofError as error:  # who answers hears the problem; what they press is heard by nobody
            _log.error("%s: people are called, and no digit counts: %s", ring.ref, error)
            key = "no-key"
        return f"{parts.links.public}/voice/{key}"

    telephone = Telephone(channels.voices, address, parts.ledger.clock, wait, under_way=channels.under_way)
    return Lines(mail, teams, telephone)


def pager_of(
    parts: PagingParts, channels: Channels, worker: str, whom: Whom | None = None, store: CaseStore | None = None
) -> Pager:
    """The engine with this installation's people and channels, by the policy of now.

    ``worker`` is who this process is, in front of people; ``store`` writes what the engine does, else the ledger's.
    """

    def link(ref: str, emergency: int, person: str) -> str:
        try:
            return link_for(parts.keys(), parts.links.public, ref, emergency, person, parts.ledger.clock())
        except CaseproofError as error:  # the mail goes out all the same, and leads to the emergency's page
            _log.error("%s: mails have no personal links: %s", ref, error)
            return ""

    return Pager(
        store=store or parts.ledger.store,
        clock=parts.ledger.clock,
        lines=lines_of(parts, channels, channels.lanes[Channel.CALL].wait),
        lanes={channel: lane.start for channel, lane in channels.lanes.items()},
        rules=parts.paging.rules,
        whom=whom or CallList(parts),
        addresses=Addresses(parts.links.case_url, link),
        worker=worker,
    )


# -- raising --------------------------------------------------------------------------------------------------------


def raise_by(parts: PagingParts, raising: Raising, by: str, open_case: OpenCase) -> Paging:
    """An emergency as a form says it, raised: with what the contract says (E11), and on whom the policy calls at once.

    Raises EmergencyRefused with all that is missing, before anything is written; UnknownCase, NotAllowed, StoreError.
    """
    refuse_raising(raising, parts.ledger.clock())
    client = raising.new_case.client if raising.new_case is not None else ""
    contract = ""
    if raising.case:
        named = case_to_call(parts.ledger.case(raising.case))
        client, contract = named.client, named.contract
    whole = raising.all_team or parts.whole_team(one.criterion for one in raising.sightings)
    complete = replace(raising, all_team=whole, within_contract=parts.within_contract(client, contract))
    ledger = parts.ledger
    return raise_emergency(ledger.store, ledger.clock, complete, by, open_case=open_case, young=parts.paging.young)
