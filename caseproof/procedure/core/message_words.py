"""Why a retailer's message ended where it did: the code, and the sentence that is made from it for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from caseproof.channels.inbound.meaning import Meaning
from caseproof.domain.codes import MessageCode

_BOUNCED = "our mail did not arrive{at}: {reason}"
_SENTENCES: Mapping[MessageCode, str] = {
    **{MessageCode(meaning): f"the retailer {meaning.sentence}" for meaning in Meaning},
    MessageCode.HELP: "the retailer asks for help",
    MessageCode.CASE_CLOSED: "the case was closed already",
    MessageCode.EARLIER_NOTICE: "it answers an earlier notice, and the case has moved on since",
    MessageCode.BEFORE_THE_NOTICE: "it tells what was done before our mail: {reason}",
    MessageCode.OTHER_THAN_ASKED: "it tells of something else than our mail asked for: {reason}",
    MessageCode.NOTHING_ASKED: "our mail asked for nothing",
    MessageCode.NAMES_OTHER_CASES: "it names {refs}, which our mail was not about",
    MessageCode.ABOUT_OTHER_CASES: "it is about {refs}",
    MessageCode.ANSWERS_ANOTHER: "it answers our mail about {refs}",
    MessageCode.CASE_UNREADABLE: "{refs} cannot be read, so nothing is written into it",
    MessageCode.ANSWERED: "it confirms nothing, and {by} has answered it",
    MessageCode.NO_ANSWER_OF_OURS: "it answers no mail of ours",
    MessageCode.NOT_IN_THE_THREAD: "it is sent to the address of {ref}, but answers no mail of ours about it",
    MessageCode.OTHER_ADDRESS: "it answers our mail about {refs}, "
    "but is not sent to the address that this mail asks to answer to",
    MessageCode.VOID_ADDRESS: "it came to an address of {refs} from before our key was replaced, which others may know",
    MessageCode.ONLY_A_SUBJECT: "only its subject names {ref}, and anybody can write that",
    MessageCode.NO_SENDER: "it does not name one sender",
    MessageCode.STRANGER: "{sender} is not a registered contact of {retailer}",
    MessageCode.NOT_GENUINE: "it may not be from {sender}: {reason}",
    MessageCode.NO_OWN_WORDS: "it holds only quoted text and no words of its own",
    MessageCode.NO_DATE: "it does not say when it was written",
    MessageCode.DATED_BEFORE: "it is dated {date}, before {what}",
    MessageCode.DATED_AHEAD: "it is dated {date}, and that is still to come",
    MessageCode.TYPED_IN: "{by} typed it in, and no mail is there that could be looked at",
    MessageCode.NOT_SEEN_ARRIVING: "our inbox did not see this file arrive",
    MessageCode.NOT_AGREED: "{by} says that it is not the retailer's word",
    MessageCode.CONTACT_SINCE: "{sender} was registered as a contact on {date}, after the job had failed",
    MessageCode.SUPPORT_OPENED: "it opened a support case",
    MessageCode.SUPPORT_UNPROVEN: "it opened a support case, and may not be from {sender}: {reason}",
    MessageCode.SUPPORT_JOINED: "it belongs to {ref}",
    MessageCode.SUPPORT_FLOOD: "more than {number} such mails came in a day: nothing more is written down by itself",
    MessageCode.OUR_OWN: "it is our own mail",
    MessageCode.A_PROGRAMS: "a program wrote it: {program}",
    MessageCode.AUTOMATIC: "it is an automatic message ({program})",
    MessageCode.SENT_BEFORE: "its sender sent it before, under the same Message-ID",
    MessageCode.BOUNCED: _BOUNCED,
    MessageCode.BOUNCE_UNSIGNED: f"{_BOUNCED}; it came without the address that we sign, so no contact is marked",
    MessageCode.BOUNCE_OF_NO_CONTACT: f"{_BOUNCED}; that is no registered contact",
    MessageCode.BOUNCE_WITHOUT_LETTER: f"{_BOUNCED}; it names no letter of ours about {{ref}}, so no contact is marked",
    MessageCode.BOUNCE_SENT_ELSEWHERE: f"{_BOUNCED}; the letter that it names went to {{to}}, so no contact is marked",
    MessageCode.BOUNCE_OF_ANOTHER: "it tells of a mail that did not arrive, and that mail is none of ours",
    MessageCode.DELAYED: "our mail is late, and the mail server goes on trying",
    MessageCode.UNREADABLE: "{reason}",
    MessageCode.TOO_LARGE: "it has {size:.0f} MB, more than is read here; the whole mail is in the mailbox",
    MessageCode.NOT_WRITTEN: "it could not be written into its case: {reason}",
}
ON_THE_PAGE: Mapping[MessageCode, str] = {
    MessageCode.CHANGED: Meaning.CHANGED.sentence,
    MessageCode.REMOVE: Meaning.REMOVE.sentence,
    MessageCode.HELP: "asks for help",
    MessageCode.NOT_THEIRS: Meaning.NOT_THEIRS.sentence,
}
"""What was chosen on the confirmation page, where it stands behind the name of who chose it."""


@dataclass(frozen=True, slots=True)
class Why:
    """A code, for programs, and its sentence without a full stop, for people."""

    code: MessageCode
    words: str

    def also(self, more: str) -> Why:
        """The same, with something more to say."""
        return replace(self, words=f"{self.words}; {more}")


def why(code: MessageCode, /, **facts: object) -> Why:
    """The reason with what belongs into its sentence. Raises KeyError where a fact is missing."""
    return Why(code, _SENTENCES[code].format(**facts))


def together(whys: Iterable[Why]) -> Why:
    """The reasons of several cases in one, each said once; a call for help is what counts, else the first of them."""
    each = list(dict.fromkeys(whys))
    code = next((one.code for one in each if one.code.asks_for_help), each[0].code if each else MessageCode.OTHER)
    return Why(code, "; ".join(dict.fromkeys(one.words for one in each)))
