"""The steps of an emergency's flow: raise it, call people, show each try, take what somebody says in Prefect's form.

Plain functions, and people are called in a thread that asks Prefect nothing: a Prefect that is slow or away keeps
nobody from being called.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from blocks.base import PrefectDown
from blocks.paging import refresh_channels
from caseproof.domain.case import Case
from caseproof.domain.emergency.form import Ladder, Whom, since_of, terminals_of
from caseproof.domain.emergency.paging import Paging, paging_of
from caseproof.domain.emergency.raising import Raising, ShortCase, Sighting
from caseproof.domain.emergency.vocabulary import CRITERIA, OwnLadder
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.services import Services
from caseproof.procedure.core.texts import plain
from caseproof.procedure.escalation.opening import short_case_opener
from caseproof.procedure.paging.installed import look_beside, pagers_of, parts_of
from caseproof.procedure.paging.ports import PagingParts, raise_by
from caseproof.procedure.paging.raising import standing
from caseproof.procedure.paging.words import problem
from caseproof.procedure.views.emergency import emergency_shown
from caseproof.store import StoreError
from tasks.common import load_case, ports, services
from tasks.display.best_effort import as_far_as_prefect_takes_it
from tasks.display.logs import hide, log, speak_in_words
from tasks.runs import emergency_runs
from tasks.runs.emergency_forms import hear, put_form, take_form_away

speak_in_words()

_log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often it is looked what came of the tries, and what somebody says in the form."""


# -- raising --------------------------------------------------------------------------------------------------------


def raise_it(said: Mapping[str, str]) -> str:
    """The case's reference: of the emergency that the form raises, or that goes on there already.

    A run that is given for an emergency that goes on names its case, and nothing else. Raises EmergencyRefused with all
    that is missing, UnknownCase, NotAllowed, StoreError.
    """
    here, case = services(), said["case"].strip().upper()
    if case and not said["site"].strip() and (paging := paging_of(here.ledger.case(case))) and not paging.over:
        return paging.ref
    opener = short_case_opener(here.ledger, here.files, here.policy, said["site"])
    parts = parts_of(here)
    raised = raise_by(parts, _raising(said, parts), said["answered_by"].strip() or "an operator", opener)
    log().warning("E7: %s: %s People are called.", raised.ref, hide(problem(raised)))
    for one in raised.raised.data["advice"]:
        log().info("%s: %s", one["rule"], one["why"])
    return raised.ref


def _raising(said: Mapping[str, str], parts: PagingParts) -> Raising:
    """What the form says; a choice that was not made is missing, or says nothing."""
    criterion = next((one for one, words in CRITERIA.items() if words == said["down"]), None)
    ladder = next((OwnLadder[one.name] for one in Ladder if one == said["own_ladder"]), OwnLadder.NOT_SAID)  # E9
    case = said["case"].strip().upper()
    return Raising(
        site=said["site"],
        sightings=(Sighting(criterion, said["seen"]),) if criterion is not None else (),
        since=since_of(said["since"], parts.ledger.clock(), parts.zone()),
        tried=said["tried"],
        own_ladder=ladder,
        case=case,
        new_case=None if case else ShortCase(said["client"], said["said"] or said["seen"]),
        terminals=terminals_of(said["terminals"]),
        all_team=said["whom"] == Whom.EVERYBODY,
    )


def call_people(ref: str) -> threading.Thread:
    """Begin to call people, beside all else: the thread ends once somebody has it and everybody was told."""
    here = services()
    pager = pagers_of(here, "its flow run")

    def run() -> None:
        try:
            pager().run(ref)
        except CaseproofError as error:
            _log.error("%s: this run calls nobody any more: %s", ref, hide(str(error)))

    calling = threading.Thread(target=run, name=f"calls {ref}", daemon=True)
    calling.start()
    threading.Thread(target=_refresh, args=(here,), name="reads the channels", daemon=True).start()
    return calling


def _refresh(here: Services) -> None:
    """Whatever is saved in Prefect now counts from the next try on."""
    with suppress(CaseproofError):
        refresh_channels(here.settings.home_folder, here.policy)


def take_up(ref: str) -> bool:
    """Whether this run shows the emergency, and not another live one; it does where Prefect cannot say."""
    try:
        return emergency_runs.take_up(services(), ref)
    except PrefectDown as down:
        log().warning("%s", down)
        return True


def look_at_the_site(ref: str) -> None:
    """Look at the site beside the calling, unless somebody did. It decides nothing, and nobody waits for it."""
    look_beside(services(), ref)


# -- following ------------------------------------------------------------------------------------------------------


def follow(ref: str, calling: threading.Thread) -> None:
    """Show each try as a row, and take what is said in Prefect's form, until the calling ends."""
    table, asking, version = _Table(ref), _Asking(ref), -1
    with as_far_as_prefect_takes_it("name"):
        ports().carrier.label(emergency_runs.label_of(standing(load_case(ref))), [emergency_runs.TAG], ())
    while calling.is_alive():
        with suppress(StoreError):
            case = load_case(ref)
            if case.version != version:
                version = case.version
                table.show(case)
            asking.look(standing(case))
        calling.join(LOOK_SECONDS)
    asking.end()
    table.show(load_case(ref))
    asking.end()  # Prefect may have been taking an answer as the form went


def how_it_stands(ref: str) -> str:
    """What the run ends with."""
    paging = standing(load_case(ref))
    holder = paging.holder(services().clock())
    if paging.over:
        return f"{ref}: it is over. {paging.over_why}"
    if holder is None:
        return f"{ref}: calling goes on."
    until = holder.until.astimezone(parts_of(services()).zone())
    return f"{ref}: {holder.by} has it until {until:%H:%M} {until.tzname()}."


@dataclass
class _Table:
    """The live table of the run: one artifact, kept current."""

    ref: str
    _artifact: UUID | None = None

    def show(self, case: Case) -> None:
        shown = emergency_shown(case, services().clock())
        rows = [
            {
                "At (UTC)": f"{one.begun:%H:%M:%S}",
                "By": one.channel,
                "Whom": plain(one.whom),
                "What came of it": one.outcome or "under way",
                "Pressed": one.pressed,
                "More": plain(one.detail),
            }
            for one in shown.tries
        ]
        above = self._above(shown.paging)
        with as_far_as_prefect_takes_it("table of the calls"):
            if self._artifact is None:
                made: Any = create_table_artifact(rows, key=f"emergency-{self.ref.lower()}", description=above)
                self._artifact = made
                return
            with get_client(sync_client=True) as client:
                client.update_artifact(self._artifact, ArtifactUpdate(data=json.dumps(rows), description=above))

    def _above(self, paging: Paging) -> str:
        holder = paging.holder(services().clock())
        who = f"**{plain(holder.by)} has it** since {holder.at:%H:%M} UTC." if holder else "**Nobody has it yet.**"
        if paging.over:
            who = f"**It is over.** {plain(paging.over_why)}"
        links = services().links
        where = f"[The emergency]({links.emergency_url(self.ref)}) · [the case]({links.case_url(self.ref)})"
        return f"{plain(problem(paging))}\n\n{who}\n\n{where}"


@dataclass
class _Asking:
    """Prefect's form for "I have it": the run waits with it while people are called, and its process goes on."""

    ref: str
    _asked: tuple[int, int] | None = None
    """The emergency that the form asks about, and the event with which that calling began; None: there is no form."""

    def look(self, paging: Paging) -> None:
        """Hear what was answered, and ask where nobody has it yet."""
        with as_far_as_prefect_takes_it('form for "I have it"'):
            heard = self._hear()
            if heard:  # the run was resumed
                self._asked, paging = None, standing(load_case(self.ref))
            if paging.over or paging.holder(services().clock()) is not None:
                self.end()
            elif paging.taken is None and self._asked != (asks := (paging.number, paging.began_seq)):  # or anew by now
                put_form(services(), self._flow_run, paging, heard[-1] if heard else "")
                self._asked = asks

    def end(self) -> None:
        """The run waits no more; what was answered until then is heard."""
        with as_far_as_prefect_takes_it('form for "I have it"'):
            if self._asked is not None:
                take_form_away(self._flow_run)
                self._asked = None
            self._hear()

    def _hear(self) -> list[str]:
        return hear(services(), self._flow_run)

    @property
    def _flow_run(self) -> UUID:
        return UUID(ports().carrier.id)
