"""Who is called in an emergency, and by what: the list, its calendars, the gaps in cover, the channels.

Nobody is called, and no card is posted. Each check names the person, the number, the calendar or the account that is
to blame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

from caseproof.channels.kept_channels import kept_channels, path_of
from caseproof.channels.teams.webhook import TeamsWebhook
from caseproof.channels.voice.twilio import TwilioVoice
from caseproof.config.paging import watch_lock
from caseproof.config.policy import Policy
from caseproof.config.settings import Settings, is_loopback
from caseproof.doctor.examination import Failed, blaming
from caseproof.http.client import Transport
from caseproof.procedure.core.on_call import LookedAt, Window, call_plan, coming_gaps, look_at_calendars
from caseproof.procedure.paging.tested import EverReached, Way, tries
from caseproof.store import Store, locks

SAME_ACCOUNT = (
    "Where that one fails, nothing else calls.",
    "Save the second block with the SID of another account, or leave `paging.second_voice` empty.",
)
_MINUTES = "%Y-%m-%d %H:%M"
_NOBODY = "nobody is on the call list (on_call.people), so no emergency calls anybody"
_TRIAL = ", a trial: numbers that were verified there alone"
_TEST = "`caseproof oncall --test` sends them a test page now; `on_call.test_day` in the policy does so each month."


def call_list(policy: Policy) -> str:
    """Whether everybody who would be called can be: by a number that something dials. Raises Failed."""
    own, paging = policy.on_call, policy.paging
    if not own.people:
        return _NOBODY
    called = [one for one in own.people if one.tier in own.tiers]
    if not paging.voice:
        raise Failed(
            f"Nobody on the call list can be reached by telephone ({_names([one.name for one in called])}): the policy "
            "names no voice account (paging.voice).",
            "Save a block of the type Caseproof Twilio Voice, with `caseproof setup` or in Prefect, and name it there.",
        )
    unreachable = [one.name for one in called if not own.lines_of(one)]
    if unreachable:
        raise Failed(
            f"No line leads to {_names(unreachable)}.",
            "Give a mobile, or an extension that on_call.main_number leads to.",
        )
    without = [(what, [one.name for one in called if not getattr(one, what)]) for what in ("mail", "teams")]
    remarks = [f"; no {what} is given for {_names(names)}" for what, names in without if names]
    return f"{len(called)} of {len(own.people)} people are called, each by a number{''.join(remarks)}"


def calendars(policy: Policy, home: Path, at: datetime, transport: Transport | None = None) -> str:
    """Whether each on-call calendar can be read now; what is fetched is kept nowhere. Raises Failed."""
    if not policy.on_call.calendars:
        return "no calendar is named (on_call.calendars)"
    looked = look_at_calendars(policy, home, at, transport)
    wrong = [one for one in looked if one.wrong]
    if not wrong:
        return f"each can be read: {_names([one.name for one in looked])}"
    raise Failed(
        " ".join(_told(one) for one in wrong), "Do what is said of each; the keeper takes it as soon as it can be read."
    )


def _told(one: LookedAt) -> str:
    since = f"Its last good copy counts, of {one.kept:{_MINUTES}} UTC." if one.kept else "There is no copy of it."
    return f"{one.wrong} {since}"


def cover(policy: Policy, home: Path, at: datetime) -> str:
    """Whether somebody is on duty all the time that the policy looks ahead, by the copies of the calendars.

    Raises Failed.
    """
    own = policy.on_call
    if not own.people or not own.calendars:
        return "no calendar is meant to fill the hours"
    plan = call_plan(policy, home, Window.around(at, own.tell_gaps_days), fetch=False, keep=False)
    gaps = coming_gaps(policy, plan, at)
    if gaps:
        told = [f"from {one.begins:{_MINUTES}} to {one.ends:{_MINUTES}} UTC" for one in gaps[:3]]
        more = f", and {len(gaps) - 3} more gaps" if len(gaps) > 3 else ""
        raise Failed(
            f"Nobody is on call and nobody is at work {', '.join(told)}{more}.",
            "Put somebody into the calendar, or write an override into the policy (E10).",
        )
    return f"somebody is on duty all the next {own.tell_gaps_days:g} days"


def reached(policy: Policy, store: Store) -> str:
    """Whether each number of the list was ever reached, by a test page or in an emergency. Raises Failed."""
    own = policy.on_call
    called = [one for one in own.people if one.tier in own.tiers]
    if not called:
        return _NOBODY
    with store.reading() as uow:
        ever = EverReached(tries(uow), uow.history.last_pressed())
    never = [
        f"{line.told()} ({one.name})"
        for one in called
        for place, line in enumerate(own.lines_of(one))
        if ever.by(one.name, Way.CALL, line.told(), is_first_line=place == 0) is None
    ]
    if never:
        many = "These numbers were" if len(never) > 1 else "This number was"
        raise Failed(f"{many} never reached: {_names(never)}.", _TEST)
    return f"each number of {len(called)} people was reached once"


def account_may_call(name: str, load: Callable[[], TwilioVoice]) -> str:
    """Whether a voice account lets us in and may call with its number; nobody is called. Raises Failed."""
    with blaming(f"Voice account '{name}'"), closing(load()) as account:
        stands = account.standing()
        if stands.status != "active":
            raise Failed(f"Twilio says that it is {stands.status}.", "Look at it in Twilio's console.")
        if not stands.has_number:
            raise Failed(
                f"{account.account.number} is neither its own number nor one that was verified there.",
                "Buy it or verify it in Twilio's console, or save another number.",
            )
    return f"'{name}' may call{_TRIAL if stands.is_trial else ''}; nobody was called"


def voice(policy: Policy, settings: Settings, load: Callable[[str], TwilioVoice]) -> str:
    """The same of each account that the policy names, and whether pressed keys get here. Raises Failed."""
    names = policy.paging.voices
    if not names:
        return "the policy names no voice account (paging.voice): nobody is called"
    far, named = False, dict[str, str]()

    def noted(name: str) -> TwilioVoice:
        nonlocal far
        account = load(name)
        first = named.setdefault(account.account.sid, name)
        if first != name:
            account.close()
            raise Failed(f"It is the same account as '{first}'. {SAME_ACCOUNT[0]}", SAME_ACCOUNT[1])
        far = far or not is_loopback(account.account.api_url)
        return account

    told = [account_may_call(name, partial(noted, name)) for name in names]
    if len(names) == 1:
        told.append("no second account calls where this one fails (paging.second_voice)")
    if far and is_loopback(settings.public):
        told.append(
            f"Twilio cannot reach {settings.public}, so no pressed key gets here: set CASEPROOF_PUBLIC_URL to an "
            "address that the internet reaches"
        )
    return "; ".join(told)


def teams(policy: Policy, load: Callable[[str], TeamsWebhook]) -> str:
    """Whether the server of the Teams web hook answers. Nothing is posted. Raises Failed."""
    name = policy.paging.teams
    if not name:
        return "the policy names no Teams web hook (paging.teams): no card is posted"
    with blaming(f"Teams web hook '{name}'"), closing(load(name)) as hook:
        hook.reach()
    return f"'{name}': its server answers; that its address is right, a card alone shows (`caseproof setup` posts one)"


def kept(policy: Policy, home: Path) -> str:
    """Whether the copy of the channels that an emergency works with has what the policy names, and a pager runs.

    Raises Failed.
    """
    paging = policy.paging
    wanted = {
        "mail account": (policy.mail.account,),
        "Teams web hook": (paging.teams,),
        "voice account": paging.voices,
    }
    if not policy.on_call.people:
        return _NOBODY
    copy = kept_channels(home)
    held = {
        "mail account": (policy.mail.account,) if copy.mail else (),
        "Teams web hook": (copy.teams.name,) if copy.teams else (),
        "voice account": tuple(one.name for one in copy.voices),
    }
    missing = [
        f"the {what} '{name}'" for what, names in wanted.items() for name in names if name and name not in held[what]
    ]
    if missing:
        raise Failed(
            f"An emergency would do without {', '.join(missing)}: the copy that it works with, {path_of(home)}, does "
            "not hold that.",
            "`caseproof up` writes it within minutes once the block is saved, and so does `caseproof setup FILE.yaml`.",
        )
    pager = locks.is_held(watch_lock(home))
    if pager is False:
        raise Failed(
            "No pager runs: nobody is called for an emergency that is raised on the page.",
            "Start `caseproof up`; until then `caseproof emergency` calls people by itself.",
        )
    runs = "a pager works with it" if pager else "no pager ever ran in this home: `caseproof up` keeps one"
    return f"{path_of(home)} holds all that the policy names; {runs}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
