"""The codes by which the product decides; the sentences beside them are for people alone, and nothing reads them.

A code stands in the error, in the event and in the case's or message's row. What was written before there were codes
gets its own when it is read (the functions at the end), from the frozen tables of ``old_words``: it is never rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from caseproof.domain import old_words


class StepName(StrEnum):
    """The steps of a case's run. The values are stored, in troubles: they never change."""

    STOP_THE_JOB = "stop the job"
    OPEN_THE_TICKET = "open the ticket"
    TELL_THE_RETAILER = "tell the retailer"
    CORRECT_THE_NOTICE = "correct what the retailer was told"
    NOTE_ON_THE_TICKET = "note on the ticket"
    TELL_THE_TICKET = "tell the ticket"
    RUN_IT_AGAIN = "run it again, or remove it"
    VERIFY_THE_RUN = "verify the run"
    SET_THE_SCHEDULE_LIVE = "set the schedule live"
    PHOTOGRAPH_THE_RUN = "photograph the run"
    ATTACH_THE_PICTURE = "attach the picture"
    LOOK_AGAIN = "look again"
    MAKE_THE_PROOF = "make the proof"
    CLOSE_THE_CASE = "close the case"
    CLOSE_THE_TICKET = "close the ticket"
    TELL_THE_CLIENT = "tell the client"
    PROVE_THE_JOBS = "read the proof of each job"
    WAIT_TO_CLOSE = "wait until it may close"
    TELL_IT_WORKS_AGAIN = "tell the retailer that it works again"
    THE_PROCEDURE = "the procedure"
    """No step in particular: a whole pass changed nothing."""


class Code(StrEnum):
    """What is wrong, as an error carries it and the event of a trouble or a refusal writes it down.

    Whoever meets a code that is not here (an event of a newer version, or of one without codes) takes it for ``OTHER``.
    """

    OTHER = "other"
    BAD_INPUT = "bad_input"
    NOT_ALLOWED = "not_allowed"
    NOT_ON_THE_TEAM = "not_on_the_team"
    CLOSURE_REFUSED = "closure_refused"
    FORM_NOT_FILLED_IN = "form_not_filled_in"
    OVERTAKEN = "overtaken"
    PLATFORM_DOWN = "platform_down"
    PLATFORM_REFUSED = "platform_refused"
    PLATFORM_CANNOT = "platform_cannot"
    """The platform is not able to do it at all, as its client declares: a person does it."""
    NO_SUCH_JOB = "no_such_job"
    NO_SUCH_RUN = "no_such_run"
    NOT_OURS_TO_STOP = "not_ours_to_stop"
    DOES_NOT_STAY_STOPPED = "does_not_stay_stopped"
    STILL_RUNNING = "still_running"
    """The job's run takes longer than it is polled for; nobody has to do anything."""
    WAITS_FOR_CASE = "waits_for_case"
    """Another case has to close first; nobody has to do anything here."""
    NOT_LIVE = "not_live"
    DESK_DOWN = "desk_down"
    DESK_REFUSED = "desk_refused"
    DESK_CANNOT = "desk_cannot"
    """The same of a desk."""
    TICKET_GONE = "ticket_gone"
    """The desk has no such ticket any more: it was deleted, or merged into another."""
    TICKET_NOT_CLOSED = "ticket_not_closed"
    TICKET_NOT_OPEN = "ticket_not_open"
    MAIL_DOWN = "mail_down"
    MAIL_REFUSED = "mail_refused"
    NOBODY_TO_TELL = "nobody_to_tell"
    CAUSE_KNOWN = "cause_known"
    """Somebody chose the cause already."""
    MAILBOX_DOWN = "mailbox_down"
    MAILBOX_REFUSED = "mailbox_refused"
    CHANNEL_DOWN = "channel_down"
    CHANNEL_REFUSED = "channel_refused"
    """The same of what else reaches people: Teams, the telephone."""
    STORE_FAILED = "store_failed"
    STORE_DOWN = "store_down"
    PREFECT_DOWN = "prefect_down"
    NOTHING_SAVED = "nothing_saved"
    """What the policy or the job names is not saved in Prefect, or not as this version needs it."""
    NO_BROWSER = "no_browser"
    SCREENSHOT_FAILED = "screenshot_failed"
    NOT_THE_RUN = "not_the_run"
    SHOWS_ANOTHER_STATE = "shows_another_state"
    """The run's own page says that it ended otherwise: no picture of anything else outweighs that."""
    RENDERED_PAGE = "rendered_page"
    """The platform has no page of a run, and the policy takes no picture of one that Caseproof rendered (J7)."""
    PICTURE_WAITS = "picture_waits"
    """A picture that a person uploaded waits for somebody else's eyes."""
    PICTURE_UNWANTED = "picture_unwanted"
    """The policy takes no picture of the kind that the case has, any more (J7)."""
    NOT_SEEN = "not_seen"
    """The other system took the request and shows no sign of it."""
    PROOF_NOT_MADE = "proof_not_made"
    EVIDENCE_FAILED = "evidence_failed"
    NOTHING_MOVED = "nothing_moved"
    ASKED_OF_A_PERSON = "asked_of_a_person"
    """Nothing failed: a person has to say or do it."""


class MailAnswer(StrEnum):
    """How a mail server said no to a message or a recipient: by its reply code (4xx, 5xx), read once, in the client."""

    FOR_NOW = "for_now"
    FOR_GOOD = "for_good"


class Rest(StrEnum):
    """Why a case gets no run for a while, as its row says it."""

    PARKED = "parked"
    """A person cancelled its run."""
    RUNS_DIED = "runs_died"


class MessageCode(StrEnum):
    """Why what came from a retailer ended where it did, as its row and the case's event say it."""

    OTHER = "other"
    # What the words say; the first six are the values of ``channels.meaning.Meaning``.
    CHANGED = "changed"
    REMOVE = "remove"
    NOT_YET = "not_yet"
    QUESTION = "question"
    NOT_THEIRS = "not_theirs"
    UNCLEAR = "unclear"
    HELP = "help"
    # Why the words are none for this case.
    CASE_CLOSED = "case_closed"
    EARLIER_NOTICE = "earlier_notice"
    BEFORE_THE_NOTICE = "before_the_notice"
    """What it tells was done before we wrote: that may be why the job fails."""
    OTHER_THAN_ASKED = "other_than_asked"
    """What it tells was done is not what our mail asked for."""
    NOTHING_ASKED = "nothing_asked"
    """Our mail asked for nothing: what they changed may have nothing to do with it."""
    NAMES_OTHER_CASES = "names_other_cases"
    ABOUT_OTHER_CASES = "about_other_cases"
    ANSWERS_ANOTHER = "answers_another"
    """It answers a letter of ours about other cases alone."""
    CASE_UNREADABLE = "case_unreadable"
    ANSWERED = "answered"
    """A person answered it, and it confirms nothing."""
    # Why it is not trusted, or no answer of ours.
    NO_ANSWER_OF_OURS = "no_answer_of_ours"
    NOT_IN_THE_THREAD = "not_in_the_thread"
    OTHER_ADDRESS = "other_address"
    VOID_ADDRESS = "void_address"
    """It came to an address of ours that was signed with a key of before."""
    ONLY_A_SUBJECT = "only_a_subject"
    NO_SENDER = "no_sender"
    STRANGER = "stranger"
    NOT_GENUINE = "not_genuine"
    NO_OWN_WORDS = "no_own_words"
    NO_DATE = "no_date"
    DATED_BEFORE = "dated_before"
    """It says that it was written before what it is to answer."""
    DATED_AHEAD = "dated_ahead"
    TYPED_IN = "typed_in"
    """No mail is there that could be looked at: somebody on the team typed the words in."""
    NOT_SEEN_ARRIVING = "not_seen_arriving"
    """Somebody brings it in as a file, and no mail that our inbox took in has these bytes."""
    NOT_AGREED = "not_agreed"
    """Something speaks against it, and somebody on the team said that it does not count."""
    # What is only to be known of it.
    CONTACT_SINCE = "contact_since"
    """Its sender was registered after the job had failed."""
    # What is for support.
    SUPPORT_OPENED = "support_opened"
    SUPPORT_UNPROVEN = "support_unproven"
    """It opened a support case, and may be of another than it says."""
    SUPPORT_JOINED = "support_joined"
    SUPPORT_FLOOD = "support_flood"
    # What is no person's mail.
    OUR_OWN = "our_own"
    A_PROGRAMS = "a_programs"
    AUTOMATIC = "automatic"
    """The same of a mail that an operator handed in."""
    SENT_BEFORE = "sent_before"
    BOUNCED = "bounced"
    BOUNCE_UNSIGNED = "bounce_unsigned"
    BOUNCE_OF_NO_CONTACT = "bounce_of_no_contact"
    BOUNCE_WITHOUT_LETTER = "bounce_without_letter"
    """It names no letter of the case that it is sent to."""
    BOUNCE_SENT_ELSEWHERE = "bounce_sent_elsewhere"
    """It names a letter that went to somebody else."""
    BOUNCE_OF_ANOTHER = "bounce_of_another"
    DELAYED = "delayed"
    # What could not be taken in.
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    NOT_WRITTEN = "not_written"

    @property
    def asks_for_help(self) -> bool:
        """Whether somebody waits for help: the team is told of these first."""
        return self in (MessageCode.HELP, MessageCode.QUESTION)


C = TypeVar("C", Code, MailAnswer, MessageCode)


def trouble_code(data: Mapping[str, Any]) -> Code:
    """What is wrong, by the data of a trouble or of a refused answer."""
    old = old_words.old_trouble(str(data.get("step", "")), str(data.get("problem", "")))
    return _known(data.get("code") or old, Code.OTHER)


def message_code(data: Mapping[str, Any]) -> MessageCode:
    """Why these words count as they do, by the data of the event that a message became."""
    return _known(data.get("code") or old_words.old_message(str(data.get("why", ""))), MessageCode.OTHER)


def mail_answers(told: Mapping[str, Any]) -> dict[str, MailAnswer]:
    """How the mail server said no to whom, by the data of an event or an intent that tells of sent letters."""
    refused, codes = told.get("refused") or {}, told.get("refused_codes") or {}
    return {
        str(address): _known(codes.get(address) or old_words.old_mail_answer(str(words)), MailAnswer.FOR_GOOD)
        for address, words in refused.items()
    }


def _known(code: object, other: C) -> C:
    """The code; ``other`` for one of a newer version, or none at all."""
    return next((one for one in type(other) if one == code), other)
