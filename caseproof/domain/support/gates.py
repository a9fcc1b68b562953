"""What a request on the ladder needs: a need names its rule, says what must hold, and what to do where it does not.

Some needs are met by what happened to the case, others by what the request itself brings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.expectation import expects
from caseproof.domain.people import same_person
from caseproof.domain.substance import is_address, is_one_of, says_something, stands_in
from caseproof.domain.support import payloads as says
from caseproof.domain.support.conditions import a_job_fails
from caseproof.domain.support.efforts import (
    documented_steps,
    is_checkable,
    is_documented,
    items,
    mails_of,
    solved_by,
    steps_of,
    tried_suggestions,
    waits_for,
    without_outcome,
)
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.vocabulary import (
    PRODUCT_UNKNOWN,
    Naming,
    NewWork,
    Outcome,
    SameIssue,
    Tier,
    Wanted,
    Way,
)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that must hold. ``met`` looks at the case before the request."""

    code: str
    rule: str
    missing: str
    next_action: str
    met: Callable[[Case], bool]


@dataclass(frozen=True, slots=True)
class Bring:
    """One thing that a request must bring. ``met`` looks at the case and at what is brought, ``only`` at which ways."""

    code: str
    rule: str
    missing: str
    next_action: str
    met: Callable[[Case, Event], bool]
    only: Way | None = None

    def applies(self, data: Mapping[str, Any]) -> bool:
        """Whether this request has to bring it."""
        return self.only is None or data.get("way") == self.only


# -- needs: what happened to the case -----------------------------------------------------------------------------

# fmt: off
L1_TRIED = Need(
    "l1_tried", "E1", "What L1 tried: at least one step, and what came of it.",
    "Record the step that you took and what you saw.", lambda case: bool(steps_of(case, Tier.L1)),
)
L1_UNSOLVED = Need(
    "l1_unsolved", "E1", "That L1 cannot solve it: what was tried solved it.",
    "State the solution and tell the client; or say that it is none after all.",
    lambda case: not solved_by(case, Tier.L1),
)
DOCUMENTED = Need(
    "documented", "E2", "What L2 tried out of the product's documentation: which document, which step, what came.",
    "Work through a document that the case links for the product, and record the step and what you saw.",
    lambda case: bool(documented_steps(case)),
)
OUTCOMES = Need(
    "outcomes", "E3", "What came of each of PT's suggestions and questions.",
    "Try each one that is left, and say which step you took and what you saw.",
    lambda case: not without_outcome(case),
)
UNSOLVED = Need(
    "unsolved", "E3", "That it is unsolved: something that was tried solved it.",
    "State the solution and tell the client; or say that it is none after all.", lambda case: not solved_by(case),
)
SUGGESTION_TRIED = Need(
    "suggestion_tried", "E3", "A suggestion of PT that L2 really tried.",
    "Try one of PT's suggestions; where PT gave none that can be tried, ask PT for further steps.",
    lambda case: bool(tried_suggestions(case)),
)
EXHAUSTED = Need(
    "exhausted", "E4", "That L2's best efforts are exhausted, said by L2 after the last outcome.",
    "L2 says in the case why nothing is left that it could try.", lambda case: case.own.get("exhausted") is not None,
)
# fmt: on


# -- what a request brings ----------------------------------------------------------------------------------------


def _text(name: str, rule: str, missing: str, next_action: str, only: Way | None = None) -> Bring:
    return Bring(name, rule, missing, next_action, lambda _, event: says_something(event.data.get(name)), only)


def _all_say(texts: object) -> bool:
    return isinstance(texts, list) and all(says_something(text) for text in texts)


def _advice(_case: Case, event: Event) -> bool:
    suggestions, questions = event.data["suggestions"], event.data["questions"]
    return _all_say(suggestions) and _all_say(questions) and bool(suggestions or questions)


def _who_asked_pt(case: Case) -> str:
    """Who of L2 asked PT last; "" where nobody did."""
    asked = case.all_of(says.PtAsked)
    return asked[-1].actor if asked else ""


def _has_document(case: Case, event: Event) -> bool:
    """L2's steps come out of a document; other tiers name one where they used one."""
    address = event.data["document"]
    if event.data["tier"] == Tier.L2:
        return is_documented(case, address)
    return address == "" or is_address(address)


def _knows_item(case: Case, event: Event) -> bool:
    return event.data["of"] in [item.key for item in items(case)]


def _outcome_fits(case: Case, event: Event) -> bool:
    """A question is answered or cannot be; a step is anything else."""
    found = next((item for item in items(case) if item.key == event.data["of"]), None)
    if found is None or not is_one_of(event.data["outcome"], Outcome):
        return False
    outcome = Outcome(event.data["outcome"])
    return outcome is Outcome.COULD_NOT or (outcome is Outcome.ANSWERED) is found.is_question


def _is_of(known: type[StrEnum], name: str) -> Callable[[Case, Event], bool]:
    return lambda _, event: is_one_of(event.data.get(name), known)


def _step(name: str) -> Bring:
    return Bring(
        "step", "E3" if name == "told" else "E2", "Which step was taken, and what came of it, in words of their own.",
        "Say what you did and what you saw, so that a colleague can do it again.",
        lambda _, event: is_checkable(event.data["step"], event.data["seen"]) and not _only_expected(event),
    )  # fmt: skip


def _only_expected(event: Event) -> bool:
    """That it solved the problem is seen, and not expected (J11)."""
    return event.data.get("outcome") == Outcome.SOLVED and expects(event.data["seen"])


STEP, TOLD_STEP = _step("tried"), _step("told")
DOCUMENT = Bring(
    "document",
    "E2",
    "Which document the step comes from: the address of one that the case links.",
    "Choose the document that you worked with; L1 leaves it empty where it used none.",
    _has_document,
)
STEP_OUTCOME = Bring(
    "outcome",
    "E2",
    "What came of the step.",
    "Choose what came of it.",
    lambda _, event: is_one_of(event.data["outcome"], Outcome) and event.data["outcome"] != Outcome.ANSWERED,
)
WHICH_ITEM = Bring(
    "item", "E3", "Which of PT's suggestions or questions it is about.", "Choose one that the case shows.", _knows_item
)
ITEM_OUTCOME = Bring(
    "outcome",
    "E3",
    "What came of it: a question is answered, a suggestion is tried.",
    "Choose what came of it.",
    _outcome_fits,
)
WHY_NOT_L1 = _text("why", "E1", "Why L1 cannot solve it.", "Say what you know and what is beyond L1.")
WHY_BACK = _text("why", "E1", "Why it goes back to L1.", "Say what L1 is to do or to find out.")
QUESTION = _text("wanted", "E2", "What L2 wants to know of PT.", "Ask one thing that PT can answer.")
ADVICE = Bring(
    "advice",
    "E3",
    "A suggestion or a question, each in words that L2 can act on.",
    "Write at least one suggestion or question, and leave no other line empty.",
    _advice,
)
ANOTHERS_ANSWER = Bring(
    "another",
    "E3",
    "An answer of somebody else than asked: who is in both tiers does not consult themselves.",
    "Let another of PT answer; name one under `ladder` in policy.yaml where there is none.",
    lambda case, event: not same_person(event.actor, _who_asked_pt(case)),
)
WHY_EXHAUSTED = _text("why", "E4", "Why nothing is left that L2 could try.", "Say it in a sentence.")
CODE_PLACE = _text("where", "E5", "Where the code has to change.", "Name the component and the place in it.")
CODE_CHANGE = _text("change", "E5", "Which change in code is needed.", "State the change that you ask for.")
CODE_DONE = _text("accepted_when", "E5", "How one sees that the change is done.", "Say what is to be seen then.")
RESULT = _text("result", "E5", "What the development team did.", "Say what was changed, or why nothing was.")
SOLVES = _text("solution", "J11", "The solution.", "Say what solved it.")
CHECKED = Bring(
    "checked",
    "J11",
    "What was checked and seen: expecting it to work is no verification.",
    "Look, and write down what you saw; leave out what should be so.",
    lambda _, event: says_something(event.data.get("checked")) and not expects(event.data.get("checked")),
)
WHY_NO_SOLUTION = _text("why", "J11", "Why it is no solution.", "Say what is still wrong.")
WHY_AGAIN = _text("why", "E1", "Why it is opened again.", "Say what the client said or what was seen.")  # fmt: skip


def _is_named(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())


# -- the three exceptions (E6) ------------------------------------------------------------------------------------


def _names_technician(case: Case, event: Event) -> bool:
    """The mail is in this case and its words name them; or the case that was read names them."""
    technician = str(event.data.get("technician", ""))
    if not technician.strip():
        return False
    if event.data.get("naming") == Naming.MAIL:
        mails = _mails(case).get(str(event.data.get("evidence") or ""), ())
        return any(stands_in(technician, words) for words in mails)
    if event.data.get("naming") == Naming.CASE:
        there = event.data.get("there_names")
        named = isinstance(there, list) and any(same_person(technician, str(name)) for name in there)
        return named and _is_named(event.data.get("ref")) and event.data.get("ref") != case.ref
    return False


def _mails(case: Case) -> dict[str, list[str]]:
    """The mails of this case by their files, each with its words; none of which anybody may have sent."""
    found: dict[str, list[str]] = {}
    for mail in mails_of(case):
        if not mail.unproven:
            found.setdefault(mail.file, []).append(mail.words)
    return found


def _same_issue(case: Case, event: Event) -> bool:
    if event.data.get("same_issue") != SameIssue.SAME:
        return False
    if event.data.get("naming") != Naming.CASE:
        return True
    there = (("there_client", "client"), ("there_product", "product"))
    if case.facts["product"] == PRODUCT_UNKNOWN:  # two products that nobody knows are not one
        return False
    return all(_is_named(event.data.get(a)) and same_person(str(event.data[a]), str(case.facts[b])) for a, b in there)


def _their_answer(case: Case, event: Event) -> bool:
    return waits_for(case, event.data.get("technician")) is not None


def _asked_out_of_tier(case: Case, event: Event) -> bool:
    """Who asked waits for somebody else's answer: nobody reaches a tier by an answer to themselves."""
    technician = str(event.data.get("technician") or "")
    reached = Tier.L2 if event.kind.spec.says is says.ReachedL2 else Tier.PT
    return waits_for(case, technician) is reached and not same_person(technician, event.actor)


def _by_another(_case: Case, event: Event) -> bool:
    return not same_person(str(event.data.get("technician") or ""), event.actor)


def _with_l1(case: Case, _event: Event) -> bool:
    return case.state is State.WITH_L1


def _steps_taken(_case: Case, event: Event) -> bool:
    return is_checkable(event.data.get("steps"), event.data.get("reply"))


def _in_clients_words(case: Case, event: Event) -> bool:
    said = [str(case.facts["said"]), *(fact.data["words"] for fact in case.all_of(says.ClientWrote))]
    words = event.data.get("words")
    return says_something(words) and any(stands_in(words, one) for one in said)


def _nothing_fails(case: Case, _event: Event) -> bool:
    return not a_job_fails(case)


WAY = Bring("way", "E6", "Which of the three exceptions it is.", "Choose one.", _is_of(Way, "way"))
NAMES_THEM = Bring(
    "named",
    "E6",
    "A case, or a mail in this case, that names this technician.",
    "Put the client's mail to this case, or name the case; else climb the ladder.",
    _names_technician,
    Way.NAMED,
)
SAME_ISSUE = Bring(
    "same_issue",
    "E6",
    "That what names the technician is about the same issue of the same client.",
    "Read it, and say so only where it is; another issue climbs the ladder.",
    _same_issue,
    Way.NAMED,
)
THEY_ASKED = Bring(
    "asked",
    "E6",
    "The technician's own request for details or a call, made in this tier, not answered yet, and answered by another.",
    "The answer of somebody else goes to who asked; where nobody asked, climb the ladder.",
    _asked_out_of_tier,
    Way.ASKED,
)
FROM_L1 = Bring(
    "from_l1",
    "E3",
    "L2 keeps its case while a technician asks.",
    "Give the answer to the technician instead.",
    _with_l1,
    Way.ASKED,
)
STEPS_TAKEN = Bring(
    "steps",
    "E6",
    "The answer, and the steps that were taken for it.",
    "Say both, each in words of its own.",
    _steps_taken,
    Way.ASKED,
)
NEW_WORK = Bring(
    "request",
    "E6",
    "Whether it is an implementation or a new-site request.",
    "Choose which.",
    _is_of(NewWork, "request"),
    Way.IMPLEMENTATION,
)
WORDS_ASK = Bring(
    "words",
    "E6",
    "The client's own words that ask for it, as this case has them.",
    "Copy the words out of the client's message; put the message to this case first where it is not there.",
    _in_clients_words,
    Way.IMPLEMENTATION,
)
NO_FAULT = Bring(
    "no_fault",
    "E6",
    "That nothing fails: a fault is no implementation request.",
    "Hand it over on the ladder.",
    _nothing_fails,
    Way.IMPLEMENTATION,
)
NOT_L2 = Bring(
    "not_l2",
    "E6",
    "New work belongs to the implementation team or the product team, not to L2.",
    "Send it to the implementation team.",
    lambda _case, _event: False,
    Way.IMPLEMENTATION,
)
TO_ASKER = Bring(
    "asked",
    "E6",
    "A technician who asked: the answer goes back to that same one.",
    "Choose the technician who waits for it.",
    _their_answer,
)
ANOTHERS_DETAILS = Bring(
    "another",
    "E6",
    "The answer of somebody else: who asked for details does not give them to themselves.",
    "Let a colleague answer; what you found out yourself, record as a step.",
    _by_another,
)
WHAT_THEY_WANT = Bring("wants", "E6", "Details, or a call to the client.", "Choose which.", _is_of(Wanted, "wants"))
WANTED = _text("wanted", "E6", "What the technician wants to know.", "Ask it in a sentence.")


def for_any_way(one: Bring) -> Bring:
    """The same, brought by a request of which there is one way only."""
    return Bring(one.code, one.rule, one.missing, one.next_action, one.met)
