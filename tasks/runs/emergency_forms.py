"""Prefect's form on an emergency's flow run, and what people answer there.

An answer that Prefect took is heard: the form is there before the run can be resumed, what was answered is looked for
after it was taken away, too, and it stays with the run until it was done. Whose process died leaves its answers to
whoever looks next: each key says of which emergency it is, and of which calling.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from prefect.exceptions import ObjectNotFound
from prefect.states import Paused, Running

from caseproof.domain.emergency.form import EmergencyReply, Reply
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.vocabulary import Via
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.procedure.core.services import Services
from caseproof.procedure.core.texts import plain
from caseproof.procedure.paging.answering import Answer, acknowledge, call_whole_team
from caseproof.procedure.paging.installed import parts_of
from caseproof.procedure.paging.raising import end_emergency
from caseproof.procedure.paging.updating import give_update
from caseproof.procedure.paging.words import problem
from caseproof.store import ConcurrentChange, StoreDown
from tasks.display.logs import hide, log
from tasks.forms.run_inputs import filled_in, for_team
from tasks.runs.our_prefect import client_of_prefect

WAITS_SECONDS = 7 * 24 * 3600
"""How long Prefect lets a run wait with its form: longer than any calling."""

_ANSWERS = "emergency-answer-"
_KEY = re.compile(
    rf"{_ANSWERS}(?P<ref>[a-z]+-[0-9]+)-(?P<emergency>[0-9]+)(?:-(?P<began>[0-9]+))?-(?P<answer>[0-9a-f]+)"
)
_MOST = 100
"""Answers that are heard at one look."""


def put_form(services: Services, flow_run: UUID, paging: Paging, trouble: str = "") -> None:
    """Have the run wait with the form; ``trouble`` is why the answer before was not taken. Raises PrefectDown."""
    policy = services.policy
    names = tuple(dict.fromkeys([*policy.team, *(one.name for one in policy.on_call.people)]))
    told = plain(problem(paging)) + (f"\n\n**Not taken:** {plain(trouble)}" if trouble else "")
    form: Any = for_team(EmergencyReply, names, told).with_initial_data(description=f"### {plain(problem(paging))}")
    asked = f"{paging.ref.lower()}-{paging.number}-{paging.began_seq}-{uuid4().hex}"
    keys = {"response": f"{_ANSWERS}{asked}"}
    keys |= {part: f"emergency-form-{asked}-{part}" for part in ("schema", "description")}
    state: Any = Paused(timeout_seconds=WAITS_SECONDS, reschedule=False, pause_key=asked)
    state.state_details.run_input_keyset = keys
    with client_of_prefect() as client:
        form.save(keys, flow_run)  # first: Prefect refuses what is answered to a form that is not there
        client.set_flow_run_state(flow_run, state, force=True)


def take_form_away(flow_run: UUID) -> None:
    """The run waits no more. One that somebody resumed, or cancelled, stays so. Raises PrefectDown."""
    with client_of_prefect() as client:
        client.set_flow_run_state(flow_run, Running())


def hear(services: Services, flow_run: UUID) -> list[str]:
    """Do what was answered on this run and not done yet; gives for each answer why it was not taken, or "".

    An answer that the store cannot write now stays, for the next look; whatever else is wrong with one, it is not
    taken, and keeps no other from being heard. Raises StoreDown, ConcurrentChange, PrefectDown.
    """
    with client_of_prefect() as client:
        heard = []
        for one in client.filter_flow_run_input(flow_run, _ANSWERS, _MOST, set()):
            heard.append(_hear(services, one.key, one.value))
            with suppress(ObjectNotFound):  # another heard it at the same time: each answer done twice is done once
                client.delete_flow_run_input(flow_run, one.key)
        return heard


def _hear(services: Services, key: str, value: str) -> str:
    try:
        _do(services, key, value)
    except (StoreDown, ConcurrentChange):
        raise
    except CaseproofError as refused:
        log().warning("%s: the answer was not taken. %s", key, hide(str(refused)))
        return str(refused)
    except Exception as wrong:  # whatever somebody wrote there, by Prefect's API
        log().warning("%s: the answer was not taken: %s", key, type(wrong).__name__)
        return "It is not filled in right."
    return ""


def _do(services: Services, key: str, value: str) -> None:
    found = _KEY.fullmatch(key)
    if found is None:  # somebody else's, by Prefect's API
        raise BadInput("It is an answer to no form.", "Answer by the form on the emergency's run.")
    reply = filled_in(EmergencyReply, json.loads(value))
    began, number = int(found["began"] or 0), int(found["emergency"])
    do_as_said(services, found["ref"].upper(), number, reply, key=found["answer"], began_seq=began)


def do_as_said(
    services: Services, ref: str, number: int, reply: EmergencyReply, *, key: str = "", began_seq: int = 0
) -> None:
    """``number`` is that of the emergency whose form it is, ``began_seq`` that of the event with which the calling
    began in which it was asked (0: whichever goes on), ``key`` the answer's own: an emergency is taken and an update
    written once for each, and everybody is called, and it is over, but once in an emergency.

    Raises BadInput, NotAllowed, StoreError.
    """
    parts = parts_of(services)
    store, clock, by = services.store, services.clock, reply.answered_by
    match reply.what:
        case Reply.HAVE_IT:
            answer = Answer(number, by, Via.FORM, 0, parts.shift_ends(by), key, began_seq)
            got = acknowledge(store, clock, parts.paging.rules, ref, answer)
            if not got.yours:
                raise BadInput(f"{got.by} has it already.", "You need do nothing.")
        case Reply.EVERYBODY:
            call_whole_team(store, clock, ref, by, reply.why or f"{by} asked for it", emergency=number)
        case Reply.UPDATE:
            give_update(store, clock, ref, by, reply.why, emergency=number, answer=key)
        case Reply.OVER:
            end_emergency(store, clock, ref, by, reply.why, emergency=number)
