"""`caseproof emergency`: raise one and call people at once, by plain code; say that you have it; end it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Annotated

import typer

from caseproof.cli.common import AsJson, Member, out, print_json, safe, say_at, say_now
from caseproof.config.settings import Settings
from caseproof.domain.decisions import require_member
from caseproof.domain.emergency.form import since_of, terminals_of
from caseproof.domain.emergency.paging import Attempt, Paging
from caseproof.domain.emergency.raising import Raising, ShortCase, Sighting
from caseproof.domain.emergency.vocabulary import CRITERIA, MESSAGES, Channel, Criterion, OwnLadder, Via
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.procedure.escalation.opening import short_case_opener
from caseproof.procedure.paging.answering import Answer, acknowledge, call_whole_team, give_back
from caseproof.procedure.paging.installed import look_beside, pagers_of, parts_of, reads_ahead, watch_of
from caseproof.procedure.paging.ports import PagingParts, raise_by
from caseproof.procedure.paging.raising import end_emergency, standing
from caseproof.procedure.paging.updating import give_update
from caseproof.procedure.paging.words import tries, unreached
from caseproof.store import StoreError, locks
from caseproof.up.plan import pager_lock

emergency_app = typer.Typer(help="Raise an emergency and call people at once; say that you have it; end it.")

_LOOK_SECONDS = 0.3
_WHAT = "; ".join(f"{one}: {said}" for one, said in CRITERIA.items())

Ref = Annotated[str, typer.Argument(help="The case, like SC-000001.")]


@emergency_app.callback(invoke_without_command=True)
def emergency(
    context: typer.Context,
    site: Annotated[str, typer.Option(help="Which site: its address, or what the client calls it.")] = "",
    down: Annotated[list[Criterion] | None, typer.Option(help=f"What is down; may be repeated. {_WHAT}.")] = None,
    seen: Annotated[str, typer.Option(help="Who saw what: a message, a page, a number.")] = "",
    case: Annotated[str, typer.Option(help="The case, if there is one (E9).")] = "",
    client: Annotated[str, typer.Option(help="No case yet: the client. A case is written of it.")] = "",
    said: Annotated[str, typer.Option(help="No case yet: what the client says.")] = "",
    since: Annotated[str, typer.Option(help="Since when: 19:50, or 2026-11-27 19:50.")] = "",
    tried: Annotated[str, typer.Option(help="What support tried.")] = "",
    own_ladder: Annotated[
        OwnLadder, typer.Option(help="Whether your own L1, L2, L3 were called first (E9); it blocks nothing.")
    ] = OwnLadder.NOT_SAID,
    terminals: Annotated[str, typer.Option(help="How many payment terminals fail, of how many: 3 of 5.")] = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="Call everybody at once.")] = False,
    by: Member = "",
    as_json: AsJson = False,
) -> None:
    """Raise an emergency (E7) and call people until somebody has it, by mail, Teams and telephone (E8).

    It needs neither Prefect nor `caseproof up`. Ended early, it leaves the calling to `caseproof up`.
    """
    if context.invoked_subcommand is not None:
        return
    services = bootstrap()
    parts = parts_of(services)
    raising = Raising(
        site=site,
        sightings=[Sighting(one, seen) for one in down or ()],
        since=since_of(since, services.clock(), parts.zone()),
        tried=tried,
        own_ladder=own_ladder,
        case=case.strip().upper(),
        new_case=None if case.strip() else ShortCase(client, said or seen),
        terminals=terminals_of(terminals),
        all_team=everybody,
    )
    opener = short_case_opener(services.ledger, services.files, services.policy, site)
    raised = raise_by(parts, raising, _who(services, by) if by else "an operator", opener)  # nobody waits for a name
    if not as_json:
        shown_at = safe(parts.links.emergency_url(raised.ref))
        out.print(f"{raised.ref}: it is raised; what comes of each try to reach people stands below, and at {shown_at}")
        for one in raised.raised.data["advice"]:
            out.print(f"{one['rule']}: {safe(one['why'])}", soft_wrap=True, highlight=False)
    paging = _call(services, raised.ref, quiet=as_json)
    if as_json:
        print_json(_as_json(services, paging))
    else:
        _say_who(services, paging)


def _call(services: Services, ref: str, *, quiet: bool) -> Paging:
    """Call people until somebody has it and everybody was told, or it is over; each try is printed."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            pagers_of(services, "the command line")().run(ref)
        except BaseException as error:
            failed.append(error)

    calling, shown = threading.Thread(target=run, name="emergency", daemon=True), ShownTries()
    silence = _ToldSilence(services)
    calling.start()
    look_beside(services, ref)
    try:
        while calling.is_alive():
            calling.join(_LOOK_SECONDS)
            now = _standing(services, ref)
            if not quiet:
                shown.show(now)
                silence.tell(now)
            if now is not None and _is_told(now):
                break  # what failed, `caseproof up` goes on trying
    except KeyboardInterrupt:
        goes_on = locks.is_held(pager_lock(services.settings))
        end = "`caseproof up` goes on calling." if goes_on else "NOBODY is called any more: start `caseproof up`."
        raise CaseproofError(f"{ref}: this command calls no longer. {end}", f"caseproof emergency take {ref}") from None
    if failed:
        raise failed[0]
    paging = standing(services.ledger.case(ref))
    if not quiet:
        shown.show(paging)
        silence.tell(paging)
    return paging


def _is_told(paging: Paging) -> bool:
    """Whether somebody has it, and each channel was tried with that."""
    if paging.taken is None or any(one.is_open for one in paging.attempts):
        return False
    tried = {one.channel for one in paging.attempts if one.seq > paging.taken.seq}
    return tried >= set(MESSAGES)


def _standing(services: Services, ref: str) -> Paging | None:
    try:
        return standing(services.ledger.case(ref))
    except StoreError:  # the calling goes on, and so does this
        return None


class ShownTries:
    """The tries that were printed, each when it begins and when something came of it."""

    def __init__(self) -> None:
        self._known: dict[int, Attempt] = {}

    def show(self, paging: Paging | None) -> None:
        if paging is None:
            return
        for one in paging.attempts:
            before = self._known.get(one.number)
            if before is None or before.outcome is not one.outcome:
                what = str(one.outcome or "under way").replace("_", " ")
                pressed = "".join(f", pressed {digit}" for digit in paging.pressed.get(one.number, ()))
                detail = f" ({one.detail})" if one.detail else ""
                say_at(one.ended or one.begun, f"{one.channel} {one.person or one.news}: {what}{pressed}{detail}")
            self._known[one.number] = one


@dataclass
class _ToldSilence:
    """Who is reached by nothing, said whenever that changes: with no telephone, whoever raised it has to call."""

    services: Services
    _told: str = ""

    def tell(self, paging: Paging | None) -> None:
        said = unreached(paging) if paging is not None and not paging.over else self._told
        if said and said != self._told and paging is not None:
            out.print(f"[bold red]{paging.ref}: {safe(said)}[/]", highlight=False, soft_wrap=True)
            out.print(safe(f"Next: {self._next(paging)}"), highlight=False, soft_wrap=True)
        self._told = said

    def _next(self, paging: Paging) -> str:
        if paging.no_one:
            return "Tell people yourself, now; then fill on_call.people in the policy (docs/on-call.md)."
        missing = "`caseproof doctor` names what is missing, docs/channels.md how it is set up."
        if Channel.CALL not in paging.not_set_up:
            return missing
        own = parts_of(self.services).policy().on_call
        lines = [(one.name, own.lines_of(one)) for one in own.people if one.tier in own.tiers]
        numbers = "; ".join(f"{name} {has[0].told()}" for name, has in lines if has)
        return f"Call people yourself, now: {numbers}. `caseproof oncall` says who is on duty. {missing}"


def _say_who(services: Services, paging: Paging) -> None:
    holder = paging.holder(services.clock())
    if paging.over:
        out.print(f"{paging.ref}: it is over. {safe(paging.over_why)}", soft_wrap=True)
    elif holder is not None:
        until = holder.until.astimezone(parts_of(services).zone())
        out.print(f"[bold]{safe(holder.by)}[/] has {paging.ref} until {until:%H:%M} {until.tzname()}.", soft_wrap=True)
    else:
        out.print(f"{paging.ref}: nobody has it yet.")


def _as_json(services: Services, paging: Paging) -> dict[str, object]:
    holder = paging.holder(services.clock())
    return {
        "case": paging.ref,
        "emergency": paging.number,
        "holder": holder.by if holder is not None else "",
        "until": holder.until.isoformat() if holder is not None else "",
        "over": bool(paging.over),
        "whole_team": paging.whole_team,
        "advice": list(paging.raised.data["advice"]),
        "tries": tries(paging),
    }


def _who(services: Services, by: str) -> str:
    """Who acts: of the team, or of those who are called. Raises NotOnTheTeam."""
    policy = services.policy
    return require_member(by, [*policy.team, *(one.name for one in policy.on_call.people)])


@dataclass(frozen=True)
class _Acting:
    """Who does something with an emergency that is there."""

    services: Services
    parts: PagingParts
    by: str
    paging: Paging

    @classmethod
    def on(cls, ref: str, by: str) -> _Acting:
        services = bootstrap()
        return cls(services, parts_of(services), _who(services, by), standing(services.ledger.case(ref)))

    def tell(self, *, as_json: bool) -> None:
        paging = standing(self.services.ledger.case(self.paging.ref))
        if as_json:
            print_json(_as_json(self.services, paging))
        else:
            _say_who(self.services, paging)


@emergency_app.command("take")
def take(ref: Ref, by: Member, as_json: AsJson = False) -> None:
    """Say that you have it: then nobody is called, until the policy's time is up or your shift ends."""
    acting = _Acting.on(ref, by)
    store, clock = acting.services.store, acting.services.clock
    answer = Answer(acting.paging.number, acting.by, Via.FORM, shift_ends=acting.parts.shift_ends(acting.by))
    got = acknowledge(store, clock, acting.parts.paging.rules, acting.paging.ref, answer)
    acting.tell(as_json=as_json)
    if not got.yours:
        raise BadInput(f"{got.by} has it already.", "You need do nothing.")


@emergency_app.command("back")
def back(ref: Ref, by: Member, why: Annotated[str, typer.Option(help="Why.")] = "", as_json: AsJson = False) -> None:
    """Give it back: calling begins again."""
    acting = _Acting.on(ref, by)
    give_back(acting.services.store, acting.services.clock, acting.paging.ref, acting.by, why)
    acting.tell(as_json=as_json)


@emergency_app.command("team")
def team(ref: Ref, by: Member, why: Annotated[str, typer.Option(help="Why.")] = "", as_json: AsJson = False) -> None:
    """Call the whole team at once, until somebody has it."""
    acting = _Acting.on(ref, by)
    reason = why.strip() or f"{acting.by} asked for it"
    call_whole_team(acting.services.store, acting.services.clock, acting.paging.ref, acting.by, reason)
    acting.tell(as_json=as_json)


@emergency_app.command("update")
def update(
    ref: Ref,
    by: Member,
    words: Annotated[str, typer.Option(help="What is known, what is done next, when you write again.")],
    as_json: AsJson = False,
) -> None:
    """Tell those who wait how it stands (E12): by mail and card."""
    acting = _Acting.on(ref, by)
    give_update(acting.services.store, acting.services.clock, acting.paging.ref, acting.by, words)
    acting.tell(as_json=as_json)


@emergency_app.command("end")
def end(
    ref: Ref,
    by: Member,
    why: Annotated[str, typer.Option(help="What solved it, or who goes on.")],
    as_json: AsJson = False,
) -> None:
    """Say that it is over: nobody is called any more, and the case goes on."""
    acting = _Acting.on(ref, by)
    end_emergency(acting.services.store, acting.services.clock, acting.paging.ref, acting.by, why)
    acting.tell(as_json=as_json)


@emergency_app.command("show")
def show(ref: Ref, as_json: AsJson = False) -> None:
    """Who has it, and each try with what came of it."""
    services = bootstrap()
    paging = standing(services.ledger.case(ref))
    if as_json:
        print_json(_as_json(services, paging))
        return
    ShownTries().show(paging)
    _ToldSilence(services).tell(paging)
    _say_who(services, paging)


@emergency_app.command("watch")
def watch() -> None:
    """Stay, and call people for each emergency that is raised, wherever; `caseproof up` keeps one such process."""
    services = bootstrap()
    _hold(services.settings)
    say_now("Emergencies are watched for: people are called as soon as one is raised.")
    reads_ahead(services).keep_on()
    watching = watch_of(services, say_now)
    while True:  # until a signal ends the process
        time.sleep(watching.round())


def _hold(settings: Settings) -> None:
    lock = pager_lock(settings)
    if (other := locks.holder(lock)) is not None:
        say_now(f"Process {other} watches for emergencies already; this one waits until that ends.")
    locks.hold(lock)
