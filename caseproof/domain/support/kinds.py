"""The events of a support case: an entry a kind. What leads where, and from where, is read from the ladder (``steps``).

Kinds, names of data and digests are stored: none of them ever changes.
"""

from __future__ import annotations

from dataclasses import replace

from caseproof.domain import payloads as kernel
from caseproof.domain.emergency import kinds as emergency
from caseproof.domain.recordings import kinds as recordings
from caseproof.domain.specs import EventKind, Logged, Move, Role, Spec
from caseproof.domain.support import payloads as says
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.steps import LADDER, Request

_ALL = frozenset(State)
_OPEN = _ALL - {State.CLOSED}
_MAY_CLOSE = frozenset(_OPEN - {State.PT_ASKED, State.WITH_DEVELOPMENT})  # somebody owes an answer there

_RESULT = ("solution", "letter", "told", "look", "proof")
_CLOSING = ("closed", "ticket_closed", "ticket_reopened")
_OPENING = (*_RESULT, *_CLOSING, "exhausted", "technician", "attached")
"""What a new opening begins without."""


def _step(request: Request, spec: Spec) -> Spec:
    """The spec, with the transition or the states of the ladder's declaration."""
    step = LADDER[request]
    if step.after is None:
        return replace(spec, noted_in=frozenset(step.before), rule=step.rule)
    return replace(spec, moves=tuple(Move(one, step.after, step.rule) for one in step.before), rule=step.rule)


class Kind(EventKind):
    """What can happen to a support case. The value is what the store and the proof write down."""

    # fmt: off
    OPENED = "opened", Spec(
        says=says.SupportOpened,
        role=Role.OPENS,
        moves=(Move(None, State.WITH_L1, "E1"),),
        voids=_OPENING,
        counts=("opening", "round"),
        sentence="Case opened for {client}: {summary}",
        rule="E1",
        measured=True,
    )
    REOPENED = "reopened", _step(Request.REOPEN, Spec(
        says=says.SupportReopened,
        role=Role.REOPENS,
        voids=_OPENING,
        counts=("opening", "round"),
        sentence="Case reopened: {why}",
        logged=Logged.AS_A_WARNING,
        measured=True,
    ))
    FACTS_CORRECTED = "facts_corrected", Spec(
        says=says.SupportCorrected,
        noted_in=_OPEN,
        corrects=("client", "product", "site", "contract", "failing"),
        voids=("look", "proof"),
        sentence="It is about {client}, {product}, {site}",
        rule="E1",
    )
    DOCUMENTS_LINKED = "documents_linked", Spec(
        says=says.DocumentsLinked,
        noted_in=_OPEN,
        wakes=False,
        sentence="Documentation of {product} linked",
        rule="E2",
    )
    TRIED = "tried", _step(Request.TRY, Spec(
        says=says.Tried,
        sentence="{tier} tried: {step}; {outcome}: {seen} {document}",
    ))
    HANDED_TO_L2 = "handed_to_l2", _step(Request.HAND_TO_L2, Spec(
        says=says.HandedToL2,
        voids=("technician",),
        sentence="L1 handed over to L2: {why}",
        measured=True,
    ))
    RETURNED_TO_L1 = "returned_to_l1", _step(Request.RETURN_TO_L1, Spec(
        says=says.ReturnedToL1,
        voids=("exhausted", "technician"),
        sentence="Given back to L1 by {tier}: {why}",
        measured=True,
    ))
    PT_ASKED = "pt_asked", _step(Request.ASK_PT, Spec(
        says=says.PtAsked,
        voids=("exhausted",),
        sentence="L2 asked PT: {wanted}",
        measured=True,
    ))
    PT_ANSWERED = "pt_answered", _step(Request.ANSWER_L2, Spec(
        says=says.PtAnswered,
        voids=("exhausted",),
        sentence="PT answered L2. {_lines}",
        measured=True,
    ))
    OUTCOME_TOLD = "outcome_told", _step(Request.TELL_OUTCOME, Spec(
        says=says.OutcomeTold,
        voids=("exhausted",),  # L2 says it after the last outcome
        sentence="L2 on PT's {of}: {step}; {outcome}: {seen}",
    ))
    EFFORTS_EXHAUSTED = "efforts_exhausted", _step(Request.EXHAUST, Spec(
        says=says.EffortsExhausted,
        kept="exhausted",
        sentence="L2's efforts are exhausted: {why}",
    ))
    TAKEN_BY_PT = "taken_by_pt", _step(Request.TAKE, Spec(
        says=says.TakenByPt,
        voids=("technician",),
        sentence="PT took the case",
        measured=True,
    ))
    RETURNED_TO_L2 = "returned_to_l2", _step(Request.RETURN_TO_L2, Spec(
        says=says.ReturnedToL2,
        voids=("exhausted", "technician"),
        sentence="PT gave it back to L2. {_lines}",
        measured=True,
    ))
    DEVELOPMENT_RAISED = "development_raised", _step(Request.RAISE_DEVELOPMENT, Spec(
        says=says.DevelopmentRaised,
        kept="development",
        voids=("solution",),
        sentence="PT asks the development team for a change. {where}: {change} Done when: {accepted_when}",
        measured=True,
    ))
    DEVELOPMENT_TICKET = "development_ticket", Spec(
        says=says.DevelopmentTicket,
        noted_in=_ALL,
        kept="development_ticket",
        wakes=False,
        sentence="Ticket {ticket} {_opened} for the development team, with all that was tried",
        rule="E5",
    )
    DEVELOPMENT_ANSWERED = "development_answered", Spec(
        says=says.DevelopmentAnswered,
        noted_in=_ALL,
        sentence="The development team closed {ticket} on its desk",
        rule="E5",
    )
    RETURNED_TO_PT = "returned_to_pt", _step(Request.RETURN_TO_PT, Spec(
        says=says.ReturnedToPt,
        sentence="The development team gave it back to PT: {result}",
        measured=True,
    ))
    REACHED_L2 = "reached_l2", _step(Request.REACH_L2, Spec(
        says=says.ReachedL2,
        kept="technician",
        sentence="L2 reached directly: {way}",
        measured=True,
    ))
    REACHED_PT = "reached_pt", _step(Request.REACH_PT, Spec(
        says=says.ReachedPt,
        kept="technician",
        sentence="PT reached directly: {way}",
        measured=True,
    ))
    SENT_TO_IMPLEMENTATION = "sent_to_implementation", _step(Request.SEND_TO_IMPLEMENTATION, Spec(
        says=says.SentToImplementation,
        voids=("technician",),
        sentence="Sent to the implementation team: {request}",
        measured=True,
    ))
    DETAILS_WANTED = "details_wanted", _step(Request.WANT_DETAILS, Spec(
        says=says.DetailsWanted,
        sentence="A technician of {tier} asks for {wants}: {wanted}",
    ))
    DETAILS_GIVEN = "details_given", _step(Request.GIVE_DETAILS, Spec(
        says=says.DetailsGiven,
        sentence="Answered {technician}: {reply} {steps}",
    ))
    SOLUTION_STATED = "solution_stated", _step(Request.STATE_SOLUTION, Spec(
        says=says.SolutionStated,
        kept="solution",
        voids=("letter", "told", "look", "proof"),
        sentence="Solution: {solution} Checked: {checked}",
        measured=True,
    ))
    SOLUTION_FAILED = "solution_failed", _step(Request.TAKE_SOLUTION_BACK, Spec(
        says=says.SolutionFailed,
        voids=_RESULT,
        sentence="No solution after all: {why}",
        logged=Logged.AS_A_WARNING,
        measured=True,
    ))
    CLIENT_MAIL_WRITTEN = "client_mail_written", Spec(
        says=says.ClientMailWritten,
        noted_in=_OPEN,
        kept="letter",
        sentence="Mail to {to} written: {words}",
        rule="J5",
    )
    CLIENT_TOLD = "client_told", Spec(
        says=says.ClientTold,
        noted_in=_ALL,
        kept="told",
        sentence="Client told {how}: {words}",
        rule="J5",
    )
    CLIENT_WROTE = "client_wrote", Spec(
        says=says.ClientWrote,
        noted_in=_ALL,
        sentence="{sender} wrote: {words}",
        measured=True,
    )
    JOB_LINKED = "job_linked", Spec(
        says=says.JobLinked,
        noted_in=_OPEN,
        voids=("look", "proof"),
        sentence="{ref} is about a job that fails in this matter",
        rule="J10",
    )
    JOB_UNLINKED = "job_unlinked", Spec(
        says=says.JobUnlinked,
        noted_in=_OPEN,
        voids=("look", "proof"),
        sentence="{ref} was linked by mistake; its job was never part of this matter: {why}",
        rule="J10",
        logged=Logged.AS_A_WARNING,
    )
    JOB_PROVEN = "job_proven", Spec(
        says=says.JobProven,
        noted_in=_OPEN,
        sentence="{ref} closed under {rule}",
        rule="J7, J8, J10",
    )
    TICKET_OPENED = "ticket_opened", Spec(
        says=kernel.TicketOpened,
        noted_in=_ALL,  # a desk that was down until the case was closed gets its ticket all the same
        kept="ticket",
        sentence="Ticket {ticket} {_opened}",
    )
    TICKET_NAMED = "ticket_named", Spec(
        says=kernel.TicketNamed,
        noted_in=_OPEN,
        sentence="To go on in the ticket {ticket}: {why}",
    )
    TICKET_REOPENED = "ticket_reopened", Spec(
        says=kernel.TicketReopened,
        noted_in=_OPEN,
        kept="ticket_reopened",
        wakes=False,
        sentence="Ticket {ticket} opened again{_because}",
    )
    SAID_ON_TICKET = "said_on_ticket", Spec(
        says=kernel.SaidOnTicket,
        noted_in=_ALL,
        wakes=False,
        sentence="{by} wrote on {ticket}: {words}",
        rule="E12",
    )
    ATTACHED = "attached", Spec(
        says=kernel.Attached,
        noted_in=_ALL,
        gathered="attached",
        wakes=False,
        sentence="{name} attached to the ticket",
    )
    TICKET_CLOSED = "ticket_closed", Spec(
        says=kernel.TicketClosed,
        noted_in=frozenset({State.CLOSED}),
        kept="ticket_closed",
        wakes=False,
        sentence="Ticket {ticket} closed",
    )
    GIVEN_UP = "given_up", Spec(
        says=kernel.GivenUp, noted_in=_ALL, wakes=False, sentence="Given up: {thing}. {reason}",
    )
    LOOKED_AGAIN = "looked_again", Spec(
        says=says.SupportLookedAgain,
        noted_in=_MAY_CLOSE,
        kept="look",
        sentence="Last look before closing",
        rule="J10, J11",
    )
    PROOF_MADE = "proof_made", Spec(
        says=kernel.ProofMade,
        role=Role.PROVES,
        noted_in=_MAY_CLOSE,
        kept="proof",
        sentence="Proof made under {rule}",
        rule="J11",
    )
    CLOSED = "closed", Spec(
        says=kernel.Closed,
        role=Role.CLOSES,
        moves=tuple(Move(one, State.CLOSED, "J11") for one in State if one in _MAY_CLOSE),
        sentence="Case closed",
        rule="J11",
        measured=True,
    )
    TEAM_TOLD = "team_told", Spec(
        says=kernel.TeamTold, noted_in=_ALL, wakes=False, sentence="Team told: {about}",
    )
    NOTED = "noted", Spec(
        says=kernel.Noted, noted_in=_ALL, wakes=False, sentence="Note: {note}",
    )
    LOOK_ASKED = "look_asked", Spec(
        says=kernel.LookAsked, noted_in=_OPEN, sentence="Asked to look at the case again",
    )
    PARKED = "parked", Spec(
        says=kernel.Parked, noted_in=_ALL, wakes=False,
        sentence="Parked until {until}: its run was cancelled in the Prefect UI",
    )
    RUN_FORCED = "run_forced", Spec(
        says=kernel.RunForced, noted_in=_OPEN, wakes=False,
        sentence="Its run was set to Completed in Prefect, which closes no case: another run goes on",
    )
    QUESTION_ASKED = "question_asked", Spec(
        says=kernel.QuestionAsked, role=Role.ASKS, noted_in=_ALL, sentence="Question {number} asked: {_form}",
        news=False, logged=Logged.ELSEWHERE,
    )
    QUESTION_ANSWERED = "question_answered", Spec(
        says=kernel.QuestionAnswered, role=Role.ANSWERS, noted_in=_ALL, voids=("refused",),
        sentence="Question {number} answered: {_form}", logged=Logged.ELSEWHERE,
    )
    ANSWER_REFUSED = "answer_refused", Spec(
        says=kernel.AnswerRefused, noted_in=_ALL, kept="refused",
        sentence="The answer to question {number} was refused: {why}", logged=Logged.AS_A_WARNING,
    )
    TROUBLE = "trouble", Spec(
        says=kernel.Trouble, noted_in=_ALL, kept="trouble",
        sentence="{step} needs help: {problem}", logged=Logged.ELSEWHERE,
    )
    TROUBLE_OVER = "trouble_over", Spec(
        says=kernel.TroubleOver, noted_in=_ALL, voids=("trouble",), sentence="{step}: trying again",
        news=False, logged=Logged.ELSEWHERE,
    )
    # The emergency of a case (E7, E8). Once it is over, what is under way is heard all the same, in any state.
    EMERGENCY_RAISED = emergency.emergency_raised(_OPEN)
    PROBE_LOOKED = emergency.probe_looked(_ALL)
    PAGE_BEGUN = emergency.page_begun(_ALL)
    PAGE_ENDED = emergency.page_ended(_ALL)
    PAGE_PRESSED = emergency.page_pressed(_ALL)
    EMERGENCY_TAKEN = emergency.emergency_taken(_OPEN)
    TAKEN_BY_ANOTHER = emergency.taken_by_another(_OPEN)
    CALLING_AGAIN = emergency.calling_again(_OPEN)
    WHOLE_TEAM_CALLED = emergency.whole_team_called(_OPEN)
    NOBODY_TO_CALL = emergency.nobody_to_call(_OPEN)
    EMERGENCY_OVER = emergency.emergency_over(_OPEN)
    # What comes after it (E12), and recordings of any session; a closed case has them as well.
    UPDATE_GIVEN = emergency.update_given(_OPEN)
    REVIEW_KEPT = emergency.review_kept(_ALL)
    RECORDING_LINKED = recordings.recording_linked(_ALL)
    RECORDING_UNLINKED = recordings.recording_unlinked(_ALL)
    NO_RECORDING = recordings.no_recording(_ALL)
    # fmt: on
