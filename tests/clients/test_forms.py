"""The forms that a case asks people with, and what becomes of their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.input.run_input import keyset_from_paused_state
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Suspended

from caseproof.domain.case import Case, Fact
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.fold import blank
from caseproof.domain.forms import (
    FORMS,
    AccountDecision,
    Apart,
    CauseChoice,
    Counts,
    ForAll,
    Form,
    IncidentDecision,
    RetailersWord,
    Review,
    TryAgain,
    Verdict,
    Word,
    fields_of,
)
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.core.asked import answer_to
from caseproof.procedure.core.services import Services
from caseproof.procedure.keeper import incidents
from caseproof.procedure.views.questions import (
    MOST_WORDS,
    case_question,
    form_heading,
    in_parts,
    look_at_the_change,
    what_to_record,
)
from caseproof.procedure.views.titles import stands
from sandbox.processes import PrefectServer
from sandbox.world import World
from tasks import common
from tasks.forms.asking import act_or_refuse
from tasks.forms.cases import CaseAsker, act_on
from tasks.forms.run_inputs import NotFilledIn, filled_in, for_team
from tasks.people import _needs_a_person, settle_the_account
from tasks.ports import Step
from tasks.steps import note_on_the_ticket, stop_the_job
from tasks.trouble import carry, say_trouble
from tests.support.histories import Teller

TEAM = ("operator", "team lead")
QUESTION = "**Decide.**\n\n**owner@example.com** wrote:\n\n> We renewed\n> the token."
ALL_FORMS = {**FORMS, IncidentDecision.slug: IncidentDecision}
every_form = pytest.mark.parametrize("form", ALL_FORMS.values(), ids=ALL_FORMS)

# What a person fills in at least, and which of it decides: these fields have no default.
ANSWERS: dict[str, dict[str, str]] = {
    "cause": {"cause": str(CauseChoice.FEED)},
    "shared-cause": {"apart": str(Apart.BY_ITSELF)},
    "retailers-word": {"what": str(Word.WITHOUT)},
    "agreement": {"counts": str(Counts.AGREE)},
    "decision": {"decision": str(Decision.AFTER_FIX), "reason": "We renewed our side of the connection."},
    "review": {"verdict": str(Verdict.APPROVE)},
    "try-again": {},
    "incident": {"decision": str(ForAll.AFTER_FIX), "reason": "The marketplace lifted its block."},
}


Saved = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def saved(prefect_server: PrefectServer) -> Saved:
    """The schema of a form as Prefect saves it with a suspended run, and its UI draws it."""

    @cache
    def of(form: type[Form], team: tuple[str, ...] = TEAM) -> dict[str, Any]:
        with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
            flow_run = suspended_with(form, team)
        found = World.call(prefect_server, "GET", f"flow_runs/{flow_run}/input/suspended-question-1-schema").json()
        return dict(found)

    return of


# -- what people see ------------------------------------------------------------------------------------------------


@every_form
def test_no_field_that_decides_has_a_default(form: type[Form]) -> None:
    assert {field.name for field in fields_of(form) if field.is_needed} == {"answered_by", *ANSWERS[form.slug]}


@every_form
def test_an_empty_answer_is_invalid(form: type[Form], saved: Saved) -> None:
    """Prefect takes an empty answer to a form whose fields all have defaults."""
    with pytest.raises(NotFilledIn, match="answered_by"):
        filled_in(form, {})
    assert "answered_by" in saved(form)["required"]


@every_form
def test_every_answer_needs_each_field_that_decides(form: type[Form]) -> None:
    whole = {"answered_by": "operator", **ANSWERS[form.slug]}
    filled_in(form, whole)
    for name in whole:
        with pytest.raises(NotFilledIn, match=name):
            filled_in(form, {key: value for key, value in whole.items() if key != name})


@every_form
@pytest.mark.parametrize("team", [TEAM, ("operator",)], ids=["two", "one"])
def test_who_answers_is_chosen_from_the_team_and_comes_last(
    form: type[Form], team: tuple[str, ...], saved: Saved
) -> None:
    who = saved(form, team)["properties"]["answered_by"]
    assert who["enum"] == list(team)
    assert "default" not in who  # a team of one is asked too: nothing is filled in for a person
    others = [field.get("position", 0) for name, field in saved(form)["properties"].items() if name != "answered_by"]
    assert who["position"] > max(others)


@every_form
def test_each_field_has_a_title_and_a_description(form: type[Form], saved: Saved) -> None:
    schema = saved(form)
    for name, field in schema["properties"].items():
        assert resolved(schema, field).get("title"), name
        assert field.get("description"), name


@every_form
def test_the_form_is_flat_and_has_no_unions(form: type[Form], saved: Saved) -> None:
    """Prefect's UI draws a reference to an enum as a choice, and unions poorly."""
    schema = saved(form)
    assert [field for field in schema["properties"].values() if {"anyOf", "allOf", "oneOf"} & field.keys()] == []
    kinds = {name: resolved(schema, field) for name, field in schema["properties"].items()}
    assert {kind["type"] for kind in kinds.values()} == {"string"}


@pytest.mark.parametrize(
    ("form", "name", "choices"),
    [
        (RetailersWord, "what", Word),
        (AccountDecision, "decision", Decision),
        (Review, "verdict", Verdict),
        (IncidentDecision, "decision", ForAll),
    ],
)
def test_where_there_are_choices_they_are_offered_as_such(
    form: type[Form], name: str, choices: Any, saved: Saved
) -> None:
    schema = saved(form)
    assert resolved(schema, schema["properties"][name])["enum"] == [str(choice) for choice in choices]


def test_for_all_cases_of_an_incident_only_what_needs_no_retailers_word_can_be_decided() -> None:
    """J8, J9: a change or a removal is decided case by case."""
    assert {Decision(choice) for choice in ForAll} == {Decision.AFTER_FIX, Decision.KEEP_PAUSED}
    assert set(incidents.MAY_DECIDE) == {Decision(choice) for choice in ForAll}


def resolved(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """The field with what it refers to, as the UI reads it."""
    reference = field.get("$ref", "")
    named = schema["definitions"][reference.removeprefix("#/definitions/")] if reference else {}
    return named | {name: value for name, value in field.items() if name != "$ref"}


@every_form
def test_the_question_stands_above_the_first_field_line_by_line(form: type[Form], saved: Saved) -> None:
    """Prefect's UI takes the last of each run of line breaks for a space; what is left must be the question's lines."""
    fields = saved(form)["properties"]
    first = min(fields, key=lambda name: fields[name].get("position", 0))
    assert first == fields_of(form)[0].name
    shown = _as_the_ui_reads_it(fields[first]["description"])
    assert [line.strip() for line in shown.split("\n")] == QUESTION.split("\n")


def _as_the_ui_reads_it(text: str) -> str:
    return "".join(
        " " if sign == "\n" and text[place + 1 : place + 2] != "\n" else sign for place, sign in enumerate(text)
    )


@pytest.mark.parametrize("form", [AccountDecision, IncidentDecision])
def test_a_date_is_picked_and_left_out_where_there_is_none(form: type[Form], saved: Saved) -> None:
    field = saved(form)["properties"]["paused_until"]
    assert field["format"] == "date"
    assert "default" not in field  # the date picker cannot show an empty text
    answer = {"answered_by": "operator", **ANSWERS[form.slug]}
    assert cast(AccountDecision | IncidentDecision, filled_in(form, answer)).paused_until == ""


# -- what Prefect takes ---------------------------------------------------------------------------------------------


@flow(name="asks")
def asks() -> None:
    """Stands for a case's flow: it is never run."""


@every_form
def test_prefect_refuses_what_is_incomplete_or_not_on_the_list_and_takes_the_rest(
    form: type[Form], prefect_server: PrefectServer
) -> None:
    whole = {"answered_by": "operator", **ANSWERS[form.slug]}
    wrong: list[dict[str, str]] = [
        {},
        *({key: value for key, value in whole.items() if key != name} for name in whole),
        *(whole | {name: "somebody else"} for name in whole if name != "reason"),
        whole | {"more": "than was asked"},
    ]
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        flow_run = suspended_with(form)
    path = f"flow_runs/{flow_run}/resume"
    answers = [World.call(prefect_server, "POST", path, json={"run_input": one}) for one in [*wrong, whole]]
    replies = [answer.json()["status"] for answer in answers]
    assert replies == ["REJECT"] * len(wrong) + ["ACCEPT"]


def suspended_with(form: type[Form], team: tuple[str, ...] = TEAM) -> str:
    """A flow run that waits with this form, as ``suspend_flow_run`` leaves it."""
    state = Suspended(timeout_seconds=None, pause_key="question-1")
    keys = keyset_from_paused_state(state)
    state.state_details.run_input_keyset = keys  # type: ignore[assignment]
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(asks), name="forms")
        run = client.create_flow_run_from_deployment(deployment, state=state)
    for_team(form, team, QUESTION).save(keys, flow_run_id=run.id)
    return str(run.id)


# -- what becomes of an answer --------------------------------------------------------------------------------------


CONTACT = "shop@example.com"


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The services of this process, as the tasks find it: made anew from the environment."""
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    common.installed_services.cache_clear()
    with disable_run_logger():
        yield common.services()
    common.services().store.close()
    common.installed_services.cache_clear()


@pytest.fixture
def case(services: Services) -> Case:
    """A case that waits for the retailer's word or the team's decision."""
    teller = Teller()
    teller.open()
    teller.until_waiting(first=True)
    first, *rest = teller.events
    with services.store.uow() as uow:
        uow.people.add_contact("Shop A", CONTACT)
        case = uow.cases.append(uow.cases.create(first), *rest)
        uow.commit()
    return case


def answered(services: Services, case: Case, form: type[Form], **answer: str) -> Fact:
    """The form was asked and answered; nobody acted on it yet."""
    number = services.ledger.case(case.ref).question_number + 1
    services.ledger.record(case.ref, Kind.QUESTION_ASKED, number=number, form=form.slug, flow_run="a flow run")
    who = {"answered_by": "operator"} | answer
    now = services.ledger.record(
        case.ref, Kind.QUESTION_ANSWERED, "operator", number=number, form=form.slug, answer=who
    )
    return now.answered[number]


def act_by(ref: str, given: Fact, form: type[Form], act: Callable[[Any], object]) -> None:
    """What becomes of an answer where something else than the procedure acts on it."""
    act_or_refuse(CaseAsker(ref), given["number"], form, given["answer"], act)


def test_an_answer_is_found_once_it_was_given_and_only_for_its_form(services: Services, case: Case) -> None:
    assert answer_to(case, AccountDecision.slug) is None
    given = answered(services, case, AccountDecision, **ANSWERS["decision"])
    assert answer_to(services.ledger.case(case.ref), AccountDecision.slug) == given
    assert answer_to(services.ledger.case(case.ref), Review.slug) is None


def test_of_two_answers_the_newer_counts(services: Services, case: Case) -> None:
    answered(services, case, AccountDecision, **ANSWERS["decision"], checked="first")
    second = answered(services, case, AccountDecision, **ANSWERS["decision"], checked="second")
    assert answer_to(services.ledger.case(case.ref), AccountDecision.slug) == second


def test_an_answer_that_was_acted_on_does_not_count_again(services: Services, case: Case) -> None:
    given = answered(services, case, AccountDecision, **ANSWERS["decision"])
    services.ledger.record(
        case.ref, Kind.KEPT_PAUSED, "operator", until="2026-12-24", reason="x", question=given["number"]
    )
    assert answer_to(services.ledger.case(case.ref), AccountDecision.slug) is None


def test_an_answer_from_before_a_failed_run_is_no_answer_to_what_came_after(services: Services, case: Case) -> None:
    """J11: the decision was taken on what was known before; the failure has to be looked at."""
    decided = answered(services, case, AccountDecision, **ANSWERS["decision"])
    taken = {"decision": str(Decision.AFTER_FIX), "reason": "x", "review": "anybody", "question": decided["number"]}
    services.ledger.record(case.ref, Kind.DECIDED, "operator", **taken)
    answered(services, case, AccountDecision, **ANSWERS["decision"])
    services.ledger.record(case.ref, Kind.RUN_STARTED, run="r", purpose="rerun", url="https://jobs.example.com/r")
    failed = services.ledger.record(case.ref, Kind.RUN_FAILED, run="r", why="401 again")
    assert answer_to(failed, AccountDecision.slug) is None
    fresh = answered(services, case, AccountDecision, **ANSWERS["decision"])
    assert answer_to(services.ledger.case(case.ref), AccountDecision.slug) == fresh


# -- what the retailer said stands above the form ------------------------------------------------------------------


def said(services: Services, case: Case, kind: Kind, words: str, **more: str) -> None:
    kept = services.files.keep(case.ref, f"{words}{more}".encode(), "said.eml", "message/rfc822")
    services.ledger.record(case.ref, kind, sender=CONTACT, words=words, evidence=kept, by_way_of="mail", **more)


def test_words_and_replies_stand_above_the_form_in_the_order_in_which_they_came(services: Services, case: Case) -> None:
    said(services, case, Kind.REPLY_RECEIVED, "Which token?\n# not a heading", why="asks for help")
    said(services, case, Kind.CONFIRMATION_RECEIVED, "Done.", choice="changed")
    shown = case_question(services.ledger.case(case.ref), "https://app.example.com/case", "Now decide.")
    first = "shop\\@example.com** replied by mail (confirms nothing by itself: asks for help):"
    second = "shop\\@example.com** wrote by mail (J8):"
    places = [shown.index(part) for part in (first, "> Which token?\n> \\# not", second, "> Done.", "Now decide.")]
    assert places == sorted(places)


def test_the_cases_page_and_the_picture_are_a_click_away_in_front_of_the_form_and_the_text_holds_no_long_word(
    case: Case,
) -> None:
    """Prefect's newer interface formats what stands in front, and shows the question as it is written: a word that is
    longer than a line cuts all of it off."""
    page, picture = "https://app.example.com/cases/JF-000001", "https://app.example.com/evidence/0a"
    front = form_heading(case, page, picture)
    assert f"]({page})" in front
    assert f"]({picture})" in front
    assert f": {page}\n" in f"{case_question(case, page, '')}\n", "to be copied"
    kept = in_parts(64 * "0")
    assert (kept.replace("-", ""), max(map(len, kept.split("-")))) == (64 * "0", 16)


def test_a_reply_that_was_recorded_stands_there_once(services: Services, case: Case) -> None:
    said(services, case, Kind.REPLY_RECEIVED, "I think so.", why="is not clear")
    number = services.ledger.case(case.ref).question_number + 1
    services.ledger.record(case.ref, Kind.QUESTION_ASKED, number=number, form=RetailersWord.slug, flow_run="a flow run")
    [reply] = services.ledger.case(case.ref).replies
    taken = {name: reply[name] for name in ("sender", "words", "evidence", "by_way_of")}
    services.ledger.record(case.ref, Kind.CONFIRMATION_RECEIVED, "operator", **taken)
    assert case_question(services.ledger.case(case.ref), "https://app.example.com/case", "").count("I think so.") == 1


def test_of_many_words_the_newest_are_shown_and_the_others_are_on_the_cases_page(
    services: Services, case: Case
) -> None:
    for number in range(MOST_WORDS + 3):
        said(services, case, Kind.REPLY_RECEIVED, f"Question {number}?", why="asks for help")
    shown = case_question(services.ledger.case(case.ref), "https://app.example.com/case", "")
    assert "3 older words of theirs" in shown
    assert [n for n in range(MOST_WORDS + 3) if f"Question {n}?" in shown] == list(range(3, MOST_WORDS + 3))


def test_the_form_for_the_word_offers_the_reply_only_where_there_is_one(services: Services, case: Case) -> None:
    assert "newest reply" not in what_to_record(services.ledger.case(case.ref))
    said(services, case, Kind.REPLY_RECEIVED, "I think so.", why="is not clear")
    assert "newest reply above counts" in what_to_record(services.ledger.case(case.ref))


def test_the_runs_name_says_that_a_reply_is_there_to_read(services: Services, case: Case) -> None:
    said(services, case, Kind.REPLY_RECEIVED, "I think so.", why="is not clear")
    services.ledger.record(case.ref, Kind.QUESTION_ASKED, number=1, form=RetailersWord.slug, flow_run="a flow run")
    assert stands(services.ledger.case(case.ref)) == "has a reply to read"


def test_the_ticket_is_due_for_a_note_as_soon_as_something_was_said_and_the_desk_is_asked_nothing_before(
    services: Services, case: Case
) -> None:
    assert not note_on_the_ticket.is_due(services.ledger.case(case.ref))
    said(services, case, Kind.REPLY_RECEIVED, "I think so.", why="is not clear")
    assert note_on_the_ticket.is_due(services.ledger.case(case.ref))


def test_that_the_reply_counts_is_said_by_a_member_and_refused_where_there_is_none(
    services: Services, case: Case
) -> None:
    given = answered(services, case, RetailersWord, what=str(Word.COUNTS))
    act_on(case.ref, given, RetailersWord)
    refused = services.ledger.case(case.ref).refused
    assert refused is not None
    assert "no reply in words of a registered contact" in refused["why"]

    said(services, case, Kind.REPLY_RECEIVED, "I think so.", why="is not clear")
    again = answered(services, case, RetailersWord, what=str(Word.COUNTS))
    act_on(case.ref, again, RetailersWord)
    [word] = services.ledger.case(case.ref).confirmations
    assert (word["words"], word.actor) == ("I think so.", "operator")


def test_a_reply_that_a_member_answered_confirms_nothing_and_the_case_waits_on(services: Services, case: Case) -> None:
    said(services, case, Kind.REPLY_RECEIVED, "Which app do you mean?", why="asks something or needs help")
    assert services.ledger.case(case.ref).unanswered_since is None, "it is the team's turn"
    given = answered(services, case, RetailersWord, what=str(Word.ANSWERED))
    for _ in range(2):  # two live runs of one case read the same answer
        act_on(case.ref, given, RetailersWord)
    now = services.ledger.case(case.ref)
    assert (now.words, now.open_replies, now.unhandled) == ((), (), ())
    assert now.events[-1].kind is Kind.CONFIRMATION_REFUSED
    assert "operator has answered it" in now.events[-1].data["why"]
    assert now.unanswered_since == now.events[-1].at, "the retailer's turn begins anew"
    again = answered(services, case, RetailersWord, what=str(Word.ANSWERED))
    act_on(case.ref, again, RetailersWord)
    assert "no reply above" in services.ledger.case(case.ref).refused["why"]


def test_nobody_is_asked_for_a_decision_that_a_clear_word_has_taken(services: Services, case: Case) -> None:
    """J6: the word was there before the question, or came while it was made."""
    said(services, case, Kind.CONFIRMATION_RECEIVED, "Done.", choice="changed")
    assert _needs_a_person(services.ledger.case(case.ref)), "by mail a person decides"
    kept = services.files.keep(case.ref, b"page", "page.json", "application/json")
    clear = {"sender": CONTACT, "words": "Done.", "evidence": kept, "choice": "changed"}
    services.ledger.record(case.ref, Kind.CONFIRMATION_RECEIVED, **clear, by_way_of="page")
    assert not _needs_a_person(services.ledger.case(case.ref))
    settle_the_account(case.ref)
    now = services.ledger.case(case.ref)
    assert (now.decided, now.question) == (Decision.AFTER_CHANGE, None)


def test_j8_the_review_of_what_went_on_by_itself_asks_for_thelook_at_the_change(services: Services, case: Case) -> None:
    assert look_at_the_change(services.ledger.case(case.ref)) == ""
    kept = services.files.keep(case.ref, b"page", "page.json", "application/json")
    clear = {"sender": CONTACT, "words": "Done.", "evidence": kept, "choice": "changed"}
    services.ledger.record(case.ref, Kind.CONFIRMATION_RECEIVED, **clear, by_way_of="page")
    settle_the_account(case.ref)
    assert "look at the change in the system (J8)" in look_at_the_change(services.ledger.case(case.ref))


def test_a_malformed_answer_is_refused_with_the_fields_and_asked_again(services: Services, case: Case) -> None:
    given = answered(services, case, AccountDecision, decision="close it", reason="")
    acted: list[Form] = []
    act_by(case.ref, given, AccountDecision, acted.append)
    now = services.ledger.case(case.ref)
    assert acted == []
    assert now.refused is not None
    assert now.refused["number"] == given["number"]
    assert "decision: " in now.refused["why"]
    assert "reason: " in now.refused["why"]
    assert answer_to(now, AccountDecision.slug) is None


def test_an_answer_that_the_procedure_refuses_is_recorded_with_the_next_action(services: Services, case: Case) -> None:
    given = answered(services, case, AccountDecision, **ANSWERS["decision"])

    def no(_: Form) -> None:
        raise NotAllowed("J8: there is no confirmation.", "Record it.")

    act_by(case.ref, given, AccountDecision, no)
    refused = services.ledger.case(case.ref).refused
    assert refused is not None
    assert refused["why"] == "J8: there is no confirmation. Next: Record it."


def test_a_good_answer_is_acted_on_as_its_form(services: Services, case: Case) -> None:
    given = answered(services, case, AccountDecision, **ANSWERS["decision"])
    acted: list[Form] = []
    act_by(case.ref, given, AccountDecision, acted.append)
    decided, reason = Decision.AFTER_FIX, ANSWERS["decision"]["reason"]
    assert acted == [AccountDecision(answered_by="operator", decision=decided, reason=reason)]
    assert services.ledger.case(case.ref).refused is None


def test_what_is_no_refusal_but_a_fault_of_ours_is_not_taken_for_one(services: Services, case: Case) -> None:
    given = answered(services, case, TryAgain)

    def broken(_: Form) -> None:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        act_by(case.ref, given, TryAgain, broken)
    assert services.ledger.case(case.ref).refused is None


def test_the_same_trouble_is_said_once_and_another_one_anew(services: Services, case: Case) -> None:
    for problem in ("The desk is down.", "The desk is down.", "The desk is full.", "The desk is down."):
        say_trouble(case.ref, "open the ticket", BadInput(problem, "Look at the desk."))
    said = [event.data["problem"] for event in services.ledger.case(case.ref).events if event.kind is Kind.TROUBLE]
    assert said == ["The desk is down.", "The desk is full.", "The desk is down."]


def test_the_same_problem_of_another_step_is_said_too(services: Services, case: Case) -> None:
    for step in ("open the ticket", "attach the picture"):
        say_trouble(case.ref, step, BadInput("The desk is down."))
    trouble = services.ledger.case(case.ref).trouble
    assert trouble is not None
    assert trouble["step"] == "attach the picture"


def test_a_step_that_works_again_ends_its_own_trouble_and_no_others(services: Services, case: Case) -> None:
    say_trouble(case.ref, "another step", BadInput("It is down."))
    carry(stop_the_job, case.ref)  # which is done already
    assert services.ledger.case(case.ref).trouble is not None
    say_trouble(case.ref, "stop the job", BadInput("It is down."))
    carry(stop_the_job, case.ref)
    assert services.ledger.case(case.ref).trouble is None


@pytest.mark.usefixtures("services")
def test_no_task_runs_for_a_step_that_is_done(case: Case) -> None:
    """A resumed run starts from the top: neither its task runs nor its log tell everything again."""
    tried: list[str] = []

    @task
    def stop(ref: str) -> None:
        tried.append(ref)

    carry(Step("stop the job", stop, stop_the_job.is_due), case.ref)
    assert tried == []
    assert stop_the_job.is_due(blank("JF-000002"))
