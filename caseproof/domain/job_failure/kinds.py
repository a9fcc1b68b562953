"""The events of a job failure: an entry a kind, which says all that depends on it (``Spec`` explains the words).

Kinds, names of data and digests are stored: none of them ever changes.
"""

from __future__ import annotations

from caseproof.domain import payloads as says
from caseproof.domain.emergency import kinds as emergency
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.recordings import kinds as recordings
from caseproof.domain.specs import EventKind, Logged, Move, Role, Spec

FAILURE = ("cause", "summary", "failed_run", "failed_run_url", "failed_at", "shares_notice_with", "remembered")
"""What a case says of the failure that it is about; a reopening may say it anew."""

# What is void with each setback. A new round starts from the stop; a failed run needs a new decision.
_RESULT = ("verified", "photo", "uploaded", "review", "look", "proof")
_CARRIED_OUT = ("run", *_RESULT, "live")
_SETTLED = ("decision", "validated", *_CARRIED_OUT)
_ROUND = ("contained", "notice", "correction", "neighbours_live", *_SETTLED)
_CLOSING = ("closed", "ticket_closed", "ticket_reopened", "recovery")
# A new opening needs a new proof from new words: nothing of the old one counts again.
_CAUSE = ("cause_awaited", "cause_settled")  # asked once an opening
_OPENING = (*_ROUND, *_CLOSING, *_CAUSE, "incident", "confirmations", "replies", "agreements", "attached")

_ALL = frozenset(State)
_OPEN = _ALL - {State.CLOSED}
_STOPPED = _OPEN - {State.OPENED}  # J2: nothing comes before the stop
_WAITS = frozenset({State.WAITING, State.PAUSED})
_PROVING = frozenset({State.VERIFIED, State.REVIEWED})
_CLOSED = frozenset({State.CLOSED})


def _moves(*before: State | None, to: State, rule: str) -> tuple[Move, ...]:
    return tuple(Move(one, to, rule) for one in before)


class Kind(EventKind):
    """What can happen to a case. The value is what the store and the proof write down."""

    # An entry begins as ``EventKind`` says; the formatter would nest each of them twice.
    # fmt: off
    OPENED = "opened", Spec(
        says=says.Opened,
        role=Role.OPENS,
        moves=_moves(None, to=State.OPENED, rule="J1"),
        voids=_OPENING,  # a second one, slipped in, saves nothing
        counts=("opening", "round"),
        sentence="Case opened: {summary}",
        rule="J1",
        measured=True,
    )
    REOPENED = "reopened", Spec(
        says=says.Reopened,
        role=Role.REOPENS,
        moves=_moves(State.CLOSED, to=State.OPENED, rule="J2"),
        voids=_OPENING,
        counts=("opening", "round"),
        corrects=FAILURE,  # it is the same case; what fails now, and why, may be something else than at first
        sentence="Case reopened: {why}",
        rule="J2",
        logged=Logged.AS_A_WARNING,
        measured=True,
    )
    FACTS_CORRECTED = "facts_corrected", Spec(
        says=says.FactsCorrected,
        noted_in=_STOPPED,
        corrects=("retailer", "marketplace", "connection"),
        sentence="{_said} whose job it is: {retailer}, {marketplace}, {connection}",
    )
    STOPPED = "stopped", Spec(
        says=says.Stopped,
        moves=_moves(State.OPENED, to=State.CONTAINED, rule="J2"),
        kept="contained",
        sentence="Stopped and read back twice: {_jobs}",
        rule="J2",
        measured=True,
    )
    CANNOT_STOP = "cannot_stop", Spec(
        says=says.CannotStop,
        moves=_moves(State.OPENED, to=State.CONTAINED, rule="J3"),
        kept="contained",
        sentence="Cannot be stopped from our side: {why} Who can: {who_can}",
        rule="J3",
        logged=Logged.AS_A_WARNING,
        measured=True,
    )
    TICKET_OPENED = "ticket_opened", Spec(
        says=says.TicketOpened,
        noted_in=_STOPPED,
        kept="ticket",
        sentence="Ticket {ticket} {_opened}",
        rule="J1",
    )
    TICKET_NAMED = "ticket_named", Spec(
        says=says.TicketNamed,
        noted_in=_STOPPED,
        sentence="To go on in the ticket {ticket}: {why}",
        rule="J1",
    )
    NOTICE_SENT = "notice_sent", Spec(
        says=says.NoticeSent,
        moves=_moves(State.CONTAINED, to=State.WAITING, rule="J5"),
        kept="notice",
        sentence="Retailer told by mail: {_to}",
        rule="J5",
        measured=True,
    )
    CAUSE_AWAITED = "cause_awaited", Spec(
        says=says.CauseAwaited,
        noted_in=frozenset({State.CONTAINED}),
        kept="cause_awaited",
        wakes=False,
        sentence="Nobody knows the cause yet, so the retailer is not told: a person is asked for it",
        rule="J5",
    )
    CAUSE_CHOSEN = "cause_chosen", Spec(
        says=says.CauseChosen,
        noted_in=_ALL,  # a person's word, and a wrong one is corrected whenever it is seen
        kept="cause_settled",
        corrects=("cause",),
        sentence="The cause is {_cause}, chosen by {by} on {_on} ({how})",
        rule="J5",
    )
    CAUSE_LEFT_OPEN = "cause_left_open", Spec(
        says=says.CauseLeftOpen,
        noted_in=frozenset({State.CONTAINED}),
        kept="cause_settled",
        sentence="The retailer is told without a cause, and asked nothing: {why}",
        rule="J5",
    )
    NOTICE_CORRECTED = "notice_corrected", Spec(
        says=says.NoticeCorrected,
        noted_in=_STOPPED | _CLOSED,
        kept="correction",
        sentence="Retailer told by mail that the cause is another, {_cause}: {_to}",
        rule="J5",
    )
    CONFIRMATION_RECEIVED = "confirmation_received", Spec(
        says=says.ConfirmationReceived,
        noted_in=_ALL,  # a late word on a closed case is kept too
        gathered="confirmations",
        sentence="The retailer's written word from {sender}{_way}",
        rule="J8",
        measured=True,
    )
    WORD_AGREED = "word_agreed", Spec(
        says=says.WordAgreed,
        noted_in=_ALL,
        gathered="agreements",
        sentence="Somebody else agreed that the word from {sender} counts all the same. {remark}",
        rule="J8",
    )
    CONFIRMATION_REFUSED = "confirmation_refused", Spec(
        says=says.ConfirmationRefused,
        noted_in=_ALL,
        wakes=False,  # what does not count changes nothing, so that a stranger's mail wakes nobody
        sentence="A message from {sender} does not count: {why}",
        rule="J8",
        logged=Logged.ELSEWHERE,  # a refused word refuses its answer, too
    )
    REPLY_RECEIVED = "reply_received", Spec(
        says=says.ReplyReceived,
        noted_in=_ALL,
        gathered="replies",
        sentence="A reply from {sender} confirms nothing by itself: {why}",
        rule="J8",
        measured=True,
    )
    ADDRESS_BOUNCED = "address_bounced", Spec(
        says=says.AddressBounced,
        noted_in=_ALL,
        wakes=False,
        sentence="Mail to {address} comes back: {why}",
        rule="J5",
    )
    CHANGE_VALIDATED = "change_validated", Spec(
        says=says.ChangeValidated,
        # Where the case went on by itself after a clear choice on the page, the reviewer says what was checked.
        noted_in=_WAITS | {State.DECIDED} | _PROVING,
        kept="validated",
        sentence="Validated in the system: {how}",
        rule="J8",
    )
    DECIDED = "decided", Spec(
        says=says.Decided,
        moves=_moves(State.WAITING, State.PAUSED, to=State.DECIDED, rule="J6"),
        kept="decision",
        voids=_CARRIED_OUT,
        sentence="Decided: {decision}. {reason}",
        rule="J6",
        measured=True,
    )
    KEPT_PAUSED = "kept_paused", Spec(
        says=says.KeptPaused,
        moves=_moves(State.WAITING, State.PAUSED, to=State.PAUSED, rule="J6"),
        kept="decision",
        voids=_CARRIED_OUT,
        sentence="Kept paused until {until}. {reason}",
        rule="J6",
    )
    RUN_STARTED = "run_started", Spec(
        says=says.RunStarted,
        moves=_moves(State.DECIDED, to=State.RUNNING, rule="J10"),
        kept="run",
        voids=_RESULT,
        counts=("attempt",),
        sentence="Run {name} started ({purpose})",
        rule="J10",
    )
    RUN_VERIFIED = "run_verified", Spec(
        says=says.RunVerified,
        moves=_moves(State.RUNNING, to=State.VERIFIED, rule="J10"),
        kept="verified",
        sentence="Run {name} read back as {said}",
        rule="J10",
    )
    RUN_FAILED = "run_failed", Spec(
        says=says.RunFailed,
        # A run that cannot be started (the job vanished, the platform refuses) is a failed verification, too.
        moves=_moves(State.DECIDED, State.RUNNING, to=State.WAITING, rule="J11"),
        kept="last_failure",
        voids=_SETTLED,
        sentence="Verification failed: {why}",
        rule="J11",
        logged=Logged.AS_A_WARNING,
        measured=True,
    )
    SCHEDULE_LIVE = "schedule_live", Spec(
        says=says.ScheduleLive,
        noted_in=_PROVING,
        kept="live",
        sentence="Schedule live again and read back: {_jobs}",
        rule="J6",
    )
    NEIGHBOURS_LIVE = "neighbours_live", Spec(
        says=says.NeighboursLive,
        noted_in=_PROVING,
        kept="neighbours_live",
        sentence="Jobs stopped along with it are live again: {_jobs}",
        rule="J6",
    )
    PHOTOGRAPHED = "photographed", Spec(
        says=says.Photographed,
        noted_in=_PROVING,
        kept="photo",
        sentence="Screenshot of {_page} taken",
        rule="J7, J8",
    )
    PICTURE_UPLOADED = "picture_uploaded", Spec(
        says=says.PictureUploaded,
        noted_in=_PROVING,
        kept="uploaded",  # of this run alone: what makes the run void makes its picture void
        sentence="Picture of the run uploaded, for somebody else to confirm: {says} (no page is photographed: {why})",
        rule="J7, J8",
    )
    PICTURE_CONFIRMED = "picture_confirmed", Spec(
        says=says.PictureConfirmed,
        noted_in=_PROVING,
        kept="photo",
        sentence="Uploaded picture confirmed: uploaded by {uploaded_by}, confirmed by somebody else",
        rule="J7, J8",
    )
    PICTURE_REFUSED = "picture_refused", Spec(
        says=says.PictureRefused,
        noted_in=_PROVING,
        voids=("uploaded",),
        sentence="Uploaded picture refused: {why}",
        rule="J7, J8",
        logged=Logged.AS_A_WARNING,
    )
    PICTURE_TAKEN_BACK = "picture_taken_back", Spec(
        says=says.PictureTakenBack,
        # Whoever reviewed it approved of a picture that counts no more: the next one is reviewed again.
        moves=_moves(State.VERIFIED, State.REVIEWED, to=State.VERIFIED, rule="J7"),
        voids=("photo", "uploaded", "review", "look", "proof"),
        sentence="Picture of the run taken back: {why}",
        rule="J7, J8",
        logged=Logged.AS_A_WARNING,
    )
    PHOTO_REFUSED = "photo_refused", Spec(
        says=says.PhotoRefused,
        noted_in=_PROVING,
        sentence="Screenshot refused: {why}",
        rule="J7, J8",
        logged=Logged.AS_A_WARNING,
    )
    ATTACHED = "attached", Spec(
        says=says.Attached,
        noted_in=_PROVING,
        gathered="attached",
        sentence="{name} attached to {ticket} and read back",
        rule="J7, J8",
    )
    REVIEW_APPROVED = "review_approved", Spec(
        says=says.ReviewApproved,
        # An approval may not count (the decider's own, or one older than the picture): it can be given again.
        moves=_moves(State.VERIFIED, State.REVIEWED, to=State.REVIEWED, rule="J7"),
        kept="review",
        sentence="Review: approved. {remark}",
        rule="J7, J8",
    )
    REVIEW_REJECTED = "review_rejected", Spec(
        says=says.ReviewRejected,
        # Sent back or failed again: the schedule may be live by now, so the first act is to stop it once more.
        moves=_moves(State.VERIFIED, State.REVIEWED, to=State.OPENED, rule="J2"),
        kept="last_failure",
        voids=_ROUND,
        counts=("round",),
        sentence="Review: sent back. {why}",
        rule="J7, J8",
        logged=Logged.AS_A_WARNING,
        measured=True,
    )
    LOOKED_AGAIN = "looked_again", Spec(
        says=says.LookedAgain,
        noted_in=_PROVING,
        kept="look",
        sentence="Last look: no later run failed",
        rule="J10, J11",
    )
    FAILED_AGAIN = "failed_again", Spec(
        says=says.FailedAgain,
        moves=_moves(State.VERIFIED, State.REVIEWED, to=State.OPENED, rule="J2"),
        kept="last_failure",
        voids=_ROUND,
        counts=("round",),
        sentence="Failed again before closing: {why}",
        rule="J10",
        logged=Logged.AS_A_WARNING,
        measured=True,
    )
    PROOF_MADE = "proof_made", Spec(
        says=says.ProofMade,
        role=Role.PROVES,
        noted_in=_PROVING,
        kept="proof",
        sentence="Proof made under {rule}",
        rule="J7, J8",
    )
    CLOSED = "closed", Spec(
        says=says.Closed,
        role=Role.CLOSES,
        moves=_moves(State.VERIFIED, State.REVIEWED, to=State.CLOSED, rule="J7, J8"),
        sentence="Case closed",
        rule="J7, J8",
        measured=True,
    )
    TICKET_CLOSED = "ticket_closed", Spec(
        says=says.TicketClosed,
        noted_in=_CLOSED,
        kept="ticket_closed",
        sentence="Ticket {ticket} closed and read back",
    )
    TICKET_REOPENED = "ticket_reopened", Spec(
        says=says.TicketReopened,
        noted_in=_STOPPED,
        kept="ticket_reopened",
        sentence="Ticket {ticket} opened again and read back{_because}",
    )
    SAID_ON_TICKET = "said_on_ticket", Spec(
        says=says.SaidOnTicket,
        noted_in=_ALL,
        wakes=False,  # a colleague's words for people; what they mean for the case is said in a form
        sentence="{by} wrote on {ticket}: {words}",
        rule="J1",
    )
    RECOVERY_TOLD = "recovery_told", Spec(
        says=says.RecoveryTold,
        noted_in=_CLOSED,
        kept="recovery",
        sentence="Retailer told by mail how it ended: {_to}",
        rule="J5",
    )
    STOP_DID_NOT_HOLD = "stop_did_not_hold", Spec(
        says=says.StopDidNotHold,
        noted_in=_STOPPED,
        wakes=False,
        sentence="The stop did not hold, so it was stopped again: {why}",
        rule="J2",
    )
    INCIDENT_JOINED = "incident_joined", Spec(
        says=says.IncidentJoined,
        noted_in=_OPEN,
        kept="incident",
        wakes=False,
        sentence="Part of the incident {incident}",
    )
    REMINDER_SENT = "reminder_sent", Spec(
        says=says.ReminderSent,
        noted_in=_WAITS,
        wakes=False,
        sentence="Retailer reminded by mail ({number}): {_to}",
        rule="J5",
    )
    LINK_RENEWED = "link_renewed", Spec(
        says=says.LinkRenewed,
        noted_in=_WAITS,
        wakes=False,
        sentence="Retailer given a new link by mail, because the one before is void: {_to}",
        rule="J5",
    )
    MESSAGE_FILED = "message_filed", Spec(
        says=says.MessageFiled,
        noted_in=_ALL,
        wakes=False,  # a person read it and filed it; what it means for the case is said in a form
        sentence="A message from {sender} put to this case by hand: {subject}. {remark}",
    )
    MAIL_WRITTEN = "mail_written", Spec(
        says=says.MailWritten,
        noted_in=_ALL,
        wakes=False,
        sentence="Mail to {to} written: {words}",
    )
    MAIL_SENT = "mail_sent", Spec(
        says=says.MailSent,
        noted_in=_ALL,
        wakes=False,
        sentence="Mail that {by} wrote sent: {_to}",
    )
    TEAM_TOLD = "team_told", Spec(
        says=says.TeamTold,
        noted_in=_ALL,
        wakes=False,
        sentence="Team told ({number}): {about}",
    )
    GIVEN_UP = "given_up", Spec(
        says=says.GivenUp,
        noted_in=_ALL,
        wakes=False,
        sentence="Given up: {thing}. {reason}",
    )
    NOTED = "noted", Spec(
        says=says.Noted,
        noted_in=_ALL,
        wakes=False,
        sentence="Note: {note}",
    )
    SUPPORT_OPENED = "support_opened", Spec(
        says=says.SupportForJob,
        noted_in=_ALL,
        wakes=False,  # the case goes on waiting for what it waits for
        sentence="Support case {ref} opened for it",
        rule="E1",
    )
    SUPPORT_UNLINKED = "support_unlinked", Spec(
        says=says.SupportNotForJob,
        noted_in=_ALL,
        wakes=False,
        sentence="Support case {ref} is not about it: {why}",
        rule="J10",
    )
    LOOK_ASKED = "look_asked", Spec(
        says=says.LookAsked,
        noted_in=_OPEN,
        sentence="Asked to look at the case again",
    )
    PARKED = "parked", Spec(
        says=says.Parked,
        noted_in=_ALL,
        wakes=False,
        sentence="Parked until {until}: its run was cancelled in the Prefect UI",
    )
    RUN_FORCED = "run_forced", Spec(
        says=says.RunForced,
        noted_in=_OPEN,
        wakes=False,
        sentence="Its run was set to Completed in Prefect, which closes no case: another run goes on",
    )
    QUESTION_ASKED = "question_asked", Spec(
        says=says.QuestionAsked,
        role=Role.ASKS,
        noted_in=_ALL,
        sentence="Question {number} asked: {_form}",
        news=False,
        logged=Logged.ELSEWHERE,
    )
    QUESTION_ANSWERED = "question_answered", Spec(
        says=says.QuestionAnswered,
        role=Role.ANSWERS,
        noted_in=_ALL,
        voids=("refused",),
        sentence="Question {number} answered: {_form}",
        logged=Logged.ELSEWHERE,
    )
    ANSWER_REFUSED = "answer_refused", Spec(
        says=says.AnswerRefused,
        noted_in=_ALL,
        kept="refused",
        sentence="The answer to question {number} was refused: {why}",
        logged=Logged.AS_A_WARNING,
    )
    TROUBLE = "trouble", Spec(
        says=says.Trouble,
        noted_in=_ALL,
        kept="trouble",
        sentence="{step} needs help: {problem}",
        logged=Logged.ELSEWHERE,
    )
    TROUBLE_OVER = "trouble_over", Spec(
        says=says.TroubleOver,
        noted_in=_ALL,
        voids=("trouble",),
        sentence="{step}: trying again",
        news=False,
        logged=Logged.ELSEWHERE,
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
