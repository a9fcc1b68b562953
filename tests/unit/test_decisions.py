"""The four decisions (J6, J8, J9, J11): what each rests on, and who may take it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from caseproof.domain.case import Case
from caseproof.domain.decisions import NEEDS, refuse_decision, require_member
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed, NotOnTheTeam
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.people import same_person
from caseproof.domain.vocabulary import Decision
from tests.support.histories import REF, Plan, Teller

TODAY = date(2026, 11, 21)
LATER = date(2026, 12, 1)


def waiting(*, confirmed: bool = False) -> Case:
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    if confirmed:
        teller.confirm()
    return teller.case


def refuse(case: Case, decision: Decision, **changes: Any) -> None:
    given: dict[str, Any] = {"reason": "The cause is gone.", "checked": "", "until": None, "today": TODAY}
    refuse_decision(case, decision, **(given | changes))


def test_there_are_four_decisions_and_three_of_them_close() -> None:
    assert {d: n.rule for d, n in NEEDS.items()} == {
        Decision.AFTER_FIX: "J7",
        Decision.AFTER_CHANGE: "J8",
        Decision.REMOVE: "J8",
        Decision.KEEP_PAUSED: None,
    }


def test_j6_after_our_fix_needs_nothing_but_a_reason() -> None:
    refuse(waiting(), Decision.AFTER_FIX)


@pytest.mark.parametrize("decision", Decision)
def test_j6_every_decision_needs_a_reason(decision: Decision) -> None:
    with pytest.raises(BadInput, match=r"no reason.*Say in a sentence why"):
        refuse(waiting(confirmed=True), decision, reason=" \n", checked="seen", until=None)


@pytest.mark.parametrize("decision", [Decision.AFTER_CHANGE, Decision.REMOVE])
def test_j8_a_decision_on_the_retailers_word_needs_that_word(decision: Decision) -> None:
    with pytest.raises(NotAllowed, match=rf"J8: '{decision}' needs.*written confirmation.*case confirm {REF}"):
        refuse(waiting(), decision, checked="I saw the setting.")


def test_j8_j11_the_retailers_word_alone_is_not_verification() -> None:
    with pytest.raises(NotAllowed, match=r"J8.*validated in the system.*J11"):
        refuse(waiting(confirmed=True), Decision.AFTER_CHANGE, checked="  ")


def test_j8_the_word_and_a_look_at_the_change_are_enough_to_decide() -> None:
    refuse(waiting(confirmed=True), Decision.AFTER_CHANGE, checked="The new token stands in the settings.")


def test_j9_a_removal_needs_the_word_only_as_its_own_run_validates_it() -> None:
    refuse(waiting(confirmed=True), Decision.REMOVE)


def test_j6_keeping_paused_needs_a_date() -> None:
    with pytest.raises(BadInput, match=r"needs the date.*Give the date"):
        refuse(waiting(), Decision.KEEP_PAUSED)
    refuse(waiting(), Decision.KEEP_PAUSED, until=LATER)


@pytest.mark.parametrize("until", [TODAY, date(2026, 11, 20)])
def test_j6_the_date_must_lie_ahead(until: date) -> None:
    with pytest.raises(BadInput, match=f"{until} is not after today"):
        refuse(waiting(), Decision.KEEP_PAUSED, until=until)


@pytest.mark.parametrize("decision", [Decision.AFTER_FIX, Decision.AFTER_CHANGE, Decision.REMOVE])
def test_a_date_that_means_nothing_is_refused(decision: Decision) -> None:
    with pytest.raises(BadInput, match=f"'{decision}' takes none.*{Decision.KEEP_PAUSED}"):
        refuse(waiting(confirmed=True), decision, checked="seen", until=LATER)


def test_j8_an_empty_word_is_no_confirmation() -> None:
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    data = {"sender": "shop@example.com", "words": " \n", "evidence": "e", "by_way_of": "mail"}
    teller.add(Kind.CONFIRMATION_RECEIVED, **data)
    with pytest.raises(NotAllowed, match="J8"):
        refuse(teller.case, Decision.REMOVE)


def test_j8_an_automatic_answer_is_no_confirmation() -> None:
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    teller.add(Kind.CONFIRMATION_REFUSED, sender="shop@example.com", why="out of office", evidence="e")
    with pytest.raises(NotAllowed, match="J8"):
        refuse(teller.case, Decision.REMOVE)


def test_j8_a_reply_that_a_person_has_to_read_is_no_confirmation() -> None:
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    teller.reply()
    with pytest.raises(NotAllowed, match="J8"):
        refuse(teller.case, Decision.AFTER_CHANGE, checked="seen")


@pytest.mark.parametrize("typed", ["Team Lead", " team   LEAD ", "team lead"])
def test_a_member_is_found_whatever_the_case_and_spacing(typed: str) -> None:
    assert require_member(typed, ["operator", "Team Lead"]) == "Team Lead"


@pytest.mark.parametrize(("typed", "said"), [("a stranger", "a stranger"), ("", "Nobody"), ("  ", "Nobody")])
def test_who_is_not_on_the_team_is_refused_and_told_who_is(typed: str, said: str) -> None:
    with pytest.raises(NotOnTheTeam, match=f"{said} is not on the team list.*operator, team lead.*`team`"):
        require_member(typed, ["team lead", "operator"])


def test_two_names_that_differ_are_two_people() -> None:
    assert same_person("Team  Lead", "team lead ")
    assert not same_person("team lead", "team leader")


def test_an_error_for_people_shows_the_next_action_too() -> None:
    error = NotAllowed("It is late.", "Go home.")
    assert isinstance(error, CaseproofError)
    assert (error.problem, error.next_action, str(error)) == ("It is late.", "Go home.", "It is late. Next: Go home.")
    assert str(NotAllowed("It is late.")) == "It is late."
