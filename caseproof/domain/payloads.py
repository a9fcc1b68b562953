"""What events say, by their kinds. A procedure takes those that fit, and adds payloads of its own.

A payload says what whoever writes an event puts into it. Stored events are never changed, and older ones say less:
what came later is ``NotRequired``. The rules that decide do not trust the types; a forged event may say anything.
"""

# No "from __future__ import annotations": with it, Python up to 3.13 takes every name for a required one.
from typing import Annotated, Any, NotRequired, TypedDict

from caseproof.domain.specs import NAMES_IT

Named = Annotated[str, NAMES_IT]
"""What something is known by elsewhere: a text that goes on naming it, whatever it looks like."""


class JobAtStop(TypedDict):
    """A job as it was read back."""

    job: str
    name: NotRequired[str]
    was_active: NotRequired[bool]
    active: NotRequired[bool]
    waiting: NotRequired[int]
    running: NotRequired[int]


class Doubt(TypedDict):
    """Something that speaks against a retailer's word, or is only to be known of it: the code, and its sentence."""

    code: str
    why: str


class Coded(TypedDict):
    """Why, for programs (``caseproof.domain.codes``); events of before there were codes have none."""

    code: NotRequired[str]


class Answering(TypedDict):
    """What is known of the question that this event answers; since when it is, the question is handled.

    ``known_by`` says how whoever acts is known; events of before there were logins do not.
    """

    question: NotRequired[int]
    known_by: NotRequired[str]


class Failure(TypedDict):
    """What fails; a reopening may say it anew."""

    failed_run: NotRequired[Named | None]
    failed_run_url: NotRequired[str | None]
    failed_at: NotRequired[str | None]
    check: NotRequired[str]
    shares_notice_with: NotRequired[str]
    remembered: NotRequired["Remembered | None"]


class Remembered(TypedDict):
    """A remembered choice of a cause for messages of one shape (its digest): whose, and since when."""

    shape: str
    by: str
    on: str


class Opened(Failure):
    """What the case is about, and how it was found."""

    platform: Named
    job: Named
    job_name: str
    cause: str
    summary: str
    how: str
    scope: str
    job_url: NotRequired[str]
    retailer: NotRequired[str | None]
    marketplace: NotRequired[str | None]
    connection: NotRequired[Named | None]
    ticket: NotRequired[Named]


class Reopened(Failure):
    """Why it was opened again."""

    why: str
    cause: NotRequired[str]
    summary: NotRequired[str]


class FactsCorrected(TypedDict):
    """Whose job it is."""

    retailer: str | None
    marketplace: str | None
    connection: Named | None


class Stopped(TypedDict):
    """The jobs that were stopped and read back."""

    scope: str
    jobs: list[JobAtStop]
    evidence: Named
    narrowed: NotRequired[str]
    not_stopped: NotRequired[list[dict[str, Any]]]


class CannotStop(Coded):
    """J3: why not, and who can; ``jobs`` were stopped beside it."""

    why: str
    who_can: str
    jobs: NotRequired[list[JobAtStop]]
    not_stopped: NotRequired[list[dict[str, Any]]]


class StopDidNotHold(TypedDict):
    """The jobs that were stopped again, as they were read back, and the runs of them."""

    jobs: list[JobAtStop]
    why: str
    evidence: Named
    runs: NotRequired[list[str]]


class TicketOpened(TypedDict):
    """The ticket, and whether a person had raised it; ``instead_of`` is the one that the case had before."""

    desk: str
    ticket: Named
    adopted: bool
    url: NotRequired[str]
    instead_of: NotRequired[Named]


class TicketNamed(TypedDict):
    """In which ticket the case is to go on, as a person says, and why: its own was merged into it, or deleted."""

    ticket: Named
    why: str


class TicketClosed(TypedDict):
    """The ticket."""

    ticket: Named


class TicketReopened(TypedDict):
    """The ticket; and why, where a person had closed it while the case was open."""

    ticket: Named
    why: NotRequired[str]


class SaidOnTicket(TypedDict):
    """What somebody wrote on the case's ticket, on the desk; ``public``: the desk's customer reads it, too."""

    ticket: Named
    comment: Named
    by: str
    words: str
    written_at: str
    public: bool


class LinksMadeOf(TypedDict, total=False):
    """What the links of a mail are made of; empty where it has none."""

    page: str
    until: str
    letters: list[str]


class Mailed(TypedDict):
    """A mail: its Message-ID, who took it (addresses), its file; ``more`` are further letters' files.

    The files hold no key. ``sent`` are the digests of the letters as they left, ``key`` the fingerprint of the key that
    they were signed with, ``links`` what their links are made of: page, until, letters.
    """

    message_id: Named
    accepted: list[str]
    evidence: Named
    to: NotRequired[list[str]]
    refused: NotRequired[dict[str, str]]
    refused_codes: NotRequired[dict[str, str]]
    more: NotRequired[list[Named]]
    sent: NotRequired[list[Named]]
    key: NotRequired[Named]
    links: NotRequired[LinksMadeOf]


class NoticeSent(Mailed):
    """``cases`` share it; ``asks``: whether the retailer owes an answer; ``cause``: which one they were told, "" for
    none: that the same happens to many shops."""

    cases: NotRequired[list[str]]
    asks: NotRequired[bool]
    cause: NotRequired[str]


class NoticeCorrected(Mailed):
    """The mail that corrects what the notice said: the cause that is told now, and whether an answer is owed for it.

    ``unsure``: it was corrected again before anybody could say whether it left.
    """

    cause: str
    asks: bool
    unsure: NotRequired[bool]


class CauseAwaited(Answering):
    """The shape of the message (its digest, "" for a case that asks by itself), and the words of that shape."""

    shape: Named
    words: str


class CauseChosen(Answering):
    """The cause, who chose it when (an operator, whose choice may hold for many cases), and how this case got it.

    ``shape`` is what the choice is remembered by, "" where it is not; ``was`` is the cause before.
    """

    cause: str
    by: str
    on: str
    how: str
    was: str
    shape: Named


class CauseLeftOpen(Answering):
    """Why the retailer is told without a cause, and asked nothing."""

    why: str


class ReminderSent(Mailed):
    """The number of this reminder in its round."""

    number: int


class LinkRenewed(Mailed):
    """The mail with another link and address, in place of those that are void."""


class RecoveryTold(Mailed):
    """The mail that says how it ended."""


class Written(Answering):
    """Something that a retailer wrote: the way it came by, and what stood in it.

    ``evidence`` holds no key of ours; where it came with one, ``original`` is the digest of what came.
    """

    sender: str
    evidence: Named
    original: NotRequired[Named]
    name: NotRequired[str]
    choice: NotRequired[str]
    link: NotRequired[str]
    message_id: NotRequired[Named]


class Weighed(Written):
    """What the entry check found of it: ``doubts`` speak against it, ``notes`` are only to be known."""

    doubts: NotRequired[list[Doubt]]
    notes: NotRequired[list[Doubt]]


class ConfirmationReceived(Weighed):
    """J8: the retailer's own words, verbatim. With doubts they found a decision only once somebody else agreed."""

    words: str
    by_way_of: str


class WordAgreed(Answering):
    """The word that something speaks against, by its sender and file: it counts all the same."""

    sender: str
    evidence: Named
    remark: NotRequired[str]


class ReplyReceived(Weighed, Coded):
    """A contact's words that are no clear confirmation (a question, "not yet"), and why; a person reads them."""

    words: str
    why: str
    by_way_of: str


class ConfirmationRefused(Written, Coded):
    """What does not count, and why."""

    why: str
    by_way_of: NotRequired[str]


class AddressBounced(TypedDict):
    """An address to which mail comes back."""

    address: str
    why: str
    evidence: Named
    original: NotRequired[Named]


class ChangeValidated(TypedDict):
    """J8: what was looked at in the system, and seen there."""

    how: str


class Decided(Answering):
    """The decision; ``review`` is what the policy asks for then, ``review_identity`` how the reviewer has to be known,
    ``validation`` when the change is looked at."""

    decision: str
    reason: str
    review: str
    review_identity: NotRequired[str]
    validation: NotRequired[str]
    incident: NotRequired[str]


class KeptPaused(Answering):
    """Until when (YYYY-MM-DD), and why."""

    until: str
    reason: str
    incident: NotRequired[str]


class RunStarted(TypedDict):
    """The run that carries out the decision, and what for.

    ``started_by`` says whose it is (``Starter``); of a person's, ``said_by`` is who said that it was run.
    """

    run: Named
    purpose: str
    url: str
    name: NotRequired[str]
    job: NotRequired[Named]
    key: NotRequired[Named]
    started_by: NotRequired[str]
    said_by: NotRequired[str]


class RunVerified(TypedDict):
    """The run as it was read back; of a removal, what is left of the job."""

    run: Named
    purpose: str
    started_at: str
    ended_at: str
    evidence: Named
    name: NotRequired[str]
    said: NotRequired[str]
    url: NotRequired[str]
    active: NotRequired[bool]
    waiting: NotRequired[int]
    gone: NotRequired[bool]


class RunFailed(Coded):
    """Which run, and why it proves nothing."""

    run: Named
    why: str
    url: NotRequired[str]


class FailedAgain(TypedDict):
    """A later run that failed."""

    run: Named
    why: str


class ScheduleLive(TypedDict):
    """The jobs that were read back as live; ``left_stopped`` another case holds."""

    jobs: list[JobAtStop]
    left_stopped: NotRequired[list[Any]]


class NeighboursLive(TypedDict):
    """The jobs that were read back as live; ``left_stopped`` another case holds."""

    jobs: list[JobAtStop]
    left_stopped: NotRequired[list[Any]]


class Photographed(TypedDict):
    """The picture of the run's own page, and what it names; ``of`` says of another page what it is (``Picture``)."""

    run: Named
    taken_at: str
    evidence: Named
    names_run: bool
    names_success: bool
    url: str
    thumbnail: NotRequired[str]
    text: NotRequired[str]
    of: NotRequired[str]


class PictureUploaded(TypedDict):
    """A picture that a person brings in place of one of the run's own page: the run that they say it shows, and why no
    page could be photographed. It counts only once somebody else has confirmed it.

    ``known_by`` says how they are known. ``thumbnail`` is a file, too.
    """

    run: Named
    evidence: Named
    thumbnail: Named
    says: str
    why: str
    known_by: str


class PictureConfirmed(Photographed):
    """Somebody else saw that the uploaded picture shows this run and its success: the picture counts from then on.

    ``taken_at`` is when it was uploaded; ``uploaded_by`` is for people, the event of the upload says whose it is.
    """

    uploaded_by: str
    why: str
    known_by: str


class PictureRefused(TypedDict):
    """Why an uploaded picture does not count."""

    run: Named
    evidence: Named
    why: str
    known_by: str


class PictureTakenBack(TypedDict):
    """Why the picture in force, which was confirmed or of a page of ours, counts no more."""

    run: Named
    evidence: Named
    why: str
    known_by: str


class PhotoRefused(Coded):
    """Why a picture does not count."""

    run: Named
    why: str
    evidence: NotRequired[Named]


class Attached(TypedDict):
    """A file that was read back from the ticket."""

    ticket: Named
    evidence: Named
    name: str
    attachment: NotRequired[str]


class ReviewApproved(Answering):
    """What the reviewer remarked."""

    remark: NotRequired[str]


class ReviewRejected(Answering):
    """Why it was sent back."""

    why: str


class LookedAgain(TypedDict):
    """The later runs that failed; ``later`` counts all."""

    failed: list[str]
    evidence: Named
    later: NotRequired[int]


class ProofMade(TypedDict):
    """The proof's file, its rule, and the head of the events that it was made of."""

    evidence: Named
    rule: str
    head: str
    file: NotRequired[str]


class Closed(TypedDict):
    """The digest of the proof that it closes with."""

    proof: str


class IncidentJoined(TypedDict):
    """The incident that decides for the case."""

    incident: str


class TeamTold(TypedDict):
    """Of what, and how often of this question; ``aside`` counts for no question, ``no_answer``: nobody answered.

    ``of`` is the number of the event that it tells of, where it is one.
    """

    about: str
    number: int
    by: NotRequired[str]
    aside: NotRequired[bool]
    no_answer: NotRequired[bool]
    of: NotRequired[int]


class MessageFiled(TypedDict):
    """A message that a person put to the case: its number, its file, and what they remark."""

    message: int
    sender: str
    subject: str
    evidence: Named
    remark: str


class MailWritten(TypedDict):
    """What a person writes to the retailer, word for word, to be sent by the keeper.

    ``to`` is the address; ``message`` the number of the message that it answers. ``subject`` is that one's,
    ``follows`` its Message-ID: both "" where that message came on the page, or says none that can be used.
    """

    to: str
    words: str
    message: int
    subject: str
    follows: Named


class MailSent(Mailed):
    """The mail that somebody wrote: ``by`` whom, and ``of`` the number of the event that has it.

    ``unsigned``: nothing in it is signed, because it went to nobody who may speak for the retailer.
    """

    by: str
    of: int
    unsigned: NotRequired[bool]


class GivenUp(TypedDict):
    """What is owed no more because a person says so (a ``Debt`` and its key), what that is in words, and why."""

    what: str
    key: Named
    thing: str
    reason: str


class Noted(TypedDict):
    """What a person writes for the others who work on the case, word for word."""

    note: str


class SupportForJob(TypedDict):
    """The support case that was opened for the job, because people have to work on it (E1)."""

    ref: Named


class SupportNotForJob(TypedDict):
    """The support case that linked this one by mistake, and does no more."""

    ref: Named
    why: str


class LookAsked(TypedDict):
    """A person wants the case looked at again; who says all of it."""


class Parked(TypedDict):
    """Until when, because this flow run was cancelled by hand."""

    until: str
    flow_run: Named


class RunForced(TypedDict):
    """The flow run that was set to Completed by hand while its case was open."""

    flow_run: Named


class QuestionAsked(TypedDict):
    """Its number in the case, the form's slug, and the flow run that waits for the answer."""

    number: int
    form: str
    flow_run: Named


class QuestionAnswered(TypedDict):
    """What was answered, as the form gave it; ``known_by``: how whoever answered is known."""

    number: int
    form: str
    answer: dict[str, Any]
    known_by: NotRequired[str]


class AnswerRefused(Answering, Coded):
    """Why the answer is not taken."""

    number: int
    why: str


class Trouble(Coded):
    """A step that needs help, why, and what a person is to do."""

    step: str
    problem: str
    next_action: str


class TroubleOver(Answering):
    """The step that is tried again."""

    step: str
    remark: NotRequired[str]
