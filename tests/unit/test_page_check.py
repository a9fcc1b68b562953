"""The pure check of a screenshot: what counts, and each kind of page that must not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.evidence.page_check import NotTheRun, Shot, refuse_shot
from caseproof.platforms.base import RunPage

RUN = "0b9d7f3e-5a44-4d57-9d1c-6f1f6a1f3c11"
URL = f"https://jobs.example.com/runs/flow-run/{RUN}"
ENDED = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PAGE = RunPage(url=URL, names=["calm-otter", RUN], success="Completed")
MENU = "Dashboard\nRuns\nFlows\nDeployments\nSettings\nRuns\n"
RIGHT = MENU + "calm-otter\nCompleted\n2026/03/02 06:00:00 AM\n1s\n1 Task run\nFlow\nnightly-feed\nLogs\n"
FAILED = RIGHT.replace("Completed", "Failed")


def shot(
    text: str = RIGHT,
    address: str = URL,
    status: int | None = 200,
    taken_at: datetime = ENDED + timedelta(seconds=5),
    has_password_field: bool = False,
) -> Shot:
    return Shot(b"png", text, address, status, taken_at, has_password_field)


def accept(text: str = RIGHT, page: RunPage = PAGE, address: str = URL, status: int | None = 200) -> None:
    refuse_shot(page, shot(text, address, status), ended_at=ENDED)


def refused(a_shot: Shot, page: RunPage = PAGE) -> str:
    with pytest.raises(NotTheRun) as reason:
        refuse_shot(page, a_shot, ended_at=ENDED)
    assert reason.value.next_action
    assert str(reason.value).endswith(reason.value.next_action)
    return reason.value.problem


def test_the_run_s_own_page_that_says_completed_counts() -> None:
    accept()


def test_a_status_that_is_not_known_does_not_decide() -> None:
    accept(status=None)


def test_a_picture_taken_at_the_very_moment_of_the_end_counts() -> None:
    refuse_shot(PAGE, shot(taken_at=ENDED), ended_at=ENDED)


@given(early=st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=400)))
def test_a_page_from_before_the_run_s_end_is_refused_however_right_it_looks(early: timedelta) -> None:
    assert "before the run's end" in refused(shot(taken_at=ENDED - early))


# The right page with whatever its log says.


@pytest.mark.parametrize(
    "log",
    [
        "please login",
        "Sign in",
        "ERROR",
        "Failed",
        "404 page not found",
        "HTTP 500",
        "Finished in state Failed('try 1')",
        "password: ********",
        f"GET /login?next=/runs/flow-run/{RUN}",
        "0 of 3 Completed",
    ],
)
def test_what_the_log_of_a_successful_run_says_does_not_harm(log: str) -> None:
    accept(f"{RIGHT}{log}\nFinished in state Completed()\n")


@given(log=st.text(max_size=300))
def test_no_log_text_whatever_makes_the_right_page_wrong(log: str) -> None:
    accept(RIGHT + log)


@given(log=st.text(max_size=300))
def test_no_log_text_whatever_makes_a_failed_run_s_page_right(log: str) -> None:
    assert 'shows the run as "Failed"' in refused(shot(FAILED + log))


def test_a_failed_run_whose_log_prints_the_success_word_is_refused() -> None:
    assert 'as "Failed"' in refused(shot(FAILED + "INFO\nCompleted\nFinished in state Completed()\n"))


# How a state may be written, and how not.


@pytest.mark.parametrize(
    "line",
    [
        "Completed",
        "  Completed  ",
        "Status: Completed",
        "State = Completed",
        "Run status: Completed",
        "calm-otter Completed",
        "calm-otter · Completed",
        "✓ Completed",
        "● Completed",
        "calm-otter\tCompleted\t06:00",
    ],
)
def test_success_may_fill_a_line_or_a_cell_with_its_label_or_the_run_s_name(line: str) -> None:
    accept(f"calm-otter\n{line}\nLogs\n")


@pytest.mark.parametrize(
    "line",
    [
        "Not Completed",
        "NotCompleted",
        "Completed 0 of 3",
        "0 Completed",
        "Completed?",
        "Completed()",
        "CompletedWithErrors",
        "Completed with errors",
        "Completed (2)",
        "completed",
        "COMPLETED",
        "Uncompleted",
        "Never Completed",
        "Last Completed: yesterday",
        "Previous run: Completed",
        "Previous status: Completed",
        "Finished in state Completed()",
        "Waiting to be Completed",
        "",
    ],
)
def test_success_in_another_sense_is_no_success(line: str) -> None:
    assert "a word of its own" in refused(shot(f"calm-otter\n{line}\nLogs\n"))


@pytest.mark.parametrize(
    "state",
    [
        "Failed",
        "FAILED",
        "Crashed",
        "Cancelled",
        "Running",
        "Pending",
        "Late",
        "AwaitingRetry",
        "Status: failed",
    ],
)
def test_another_state_above_the_success_word_is_taken_for_the_run_s_own(state: str) -> None:
    assert "shows the run as" in refused(shot(f"calm-otter\n{state}\nTask runs\nCompleted\n"))


@given(words=st.lists(st.sampled_from(["not", "Completed", "0", "of", "3", "in", "state"]), min_size=2, max_size=6))
def test_a_sentence_with_the_success_word_in_it_never_counts(words: list[str]) -> None:
    assert "a word of its own" in refused(shot("calm-otter\n" + " ".join(words)))


def test_a_failed_run_that_is_called_completed_is_refused() -> None:
    page = RunPage(URL, ["Completed"], "Completed")
    assert 'as "Failed"' in refused(shot("Completed\nFailed\n"), page)


def test_a_run_that_is_called_like_a_failure_may_still_succeed() -> None:
    accept("Late\nCompleted\n", RunPage(URL, ["Late"], "Completed"))


def test_a_name_that_the_success_word_begins_with_does_not_hide_it() -> None:
    accept("Complete\nCompleted\n", RunPage(URL, ["Complete"], "Completed"))


def test_a_success_word_of_several_words_is_found_across_spaces() -> None:
    page = RunPage(URL, ["calm-otter"], "All done")
    accept("calm-otter\nAll\u00a0done\n", page)
    assert "a word of its own" in refused(shot("calm-otter\nAll\ndone\n"), page)


def test_a_platform_whose_success_word_is_another_s_failure_is_believed() -> None:
    accept("calm-otter\nStopped\n", RunPage(URL, ["calm-otter"], "Stopped"))
    assert 'as "Removed"' in refused(shot("calm-otter\nRemoved\nStopped"), RunPage(URL, ["calm-otter"], "Stopped"))


# Login pages.


def test_a_redirect_to_a_login_page_is_refused_although_it_quotes_the_run_s_address() -> None:
    login = f"https://jobs.example.com/login?redirect=/runs/flow-run/{RUN}"
    quoted = f"Log in to see calm-otter {URL}\nCompleted\n"
    assert "login page (https://jobs.example.com/login)" in refused(shot(quoted, login))


def test_a_login_page_at_the_run_s_own_address_is_refused_by_its_password_field() -> None:
    assert "login page" in refused(shot(has_password_field=True))


@pytest.mark.parametrize("text", ["Sign in\nUser\nContinue with single sign-on", "Please log in", "LOGIN"])
def test_a_login_page_without_a_password_field_is_named_as_one(text: str) -> None:
    assert "seems to show a login page" in refused(shot(text))


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_that_did_not_let_the_browser_in_is_refused(status: int) -> None:
    assert f"HTTP {status}" in refused(shot(status=status))


def test_a_login_page_elsewhere_is_told_without_its_query_which_may_hold_a_token() -> None:
    told = refused(shot("Sign in", "https://sso.example.com/authorize?token=hunter2"))
    assert "https://sso.example.com/authorize" in told
    assert "hunter2" not in told


# Error pages.


@pytest.mark.parametrize("status", [400, 404, 410, 500, 502, 503])
def test_an_error_status_is_refused_whatever_the_page_says(status: int) -> None:
    assert f"error page (HTTP {status})" in refused(shot(status=status))


@pytest.mark.parametrize("text", ["Page not found", "Oops. Something went wrong.", "Can't connect to Server API"])
def test_an_error_page_with_status_200_is_named_as_one(text: str) -> None:
    assert "seems to show an error page" in refused(shot(text))


@pytest.mark.parametrize("text", ["", " \n\t\n "])
def test_an_empty_page_is_refused(text: str) -> None:
    assert "empty page" in refused(shot(text))


# Another run's page.


@pytest.mark.parametrize(
    "address",
    [
        "https://jobs.example.com/",
        "https://jobs.example.com/runs/flow-run/another",
        f"https://jobs.example.com/runs/task-run/{RUN}",
        f"https://jobs.example.com/?next=/runs/flow-run/{RUN}",
        f"https://jobs.example.com/ui/runs/flow-run/{RUN}",
        f"https://other.example.com/runs/flow-run/{RUN}",
        f"https://jobs.example.com:8443/runs/flow-run/{RUN}",
        f"http://jobs.example.com/runs/flow-run/{RUN}",
        f"{URL}/edit",
        f"{URL}#/runs/another",
        "about:blank",
        "http://[",
        "https://jobs.example.com:port/",
        "chrome-error://chromewebdata/",
    ],
)
def test_another_address_is_refused_although_the_text_is_right(address: str) -> None:
    assert "another page" in refused(shot(f"{RIGHT}{RUN}", address))


@pytest.mark.parametrize(
    "address", [f"{URL}/", f"{URL}?tab=logs", f"{URL}#logs", URL.replace("example.com", "example.com:443")]
)
def test_the_same_address_may_be_written_differently(address: str) -> None:
    accept(address=address)


def test_what_the_run_s_address_asks_for_in_its_query_must_stand_in_the_final_one_once() -> None:
    page = RunPage("http://shop.example.com/status?page=runs&id=7", ["feed"], "Complete")
    right = "feed\nComplete\n"
    accept(right, page, "http://shop.example.com/status?id=7&page=runs&lang=en")
    for query in ("page=runs", "page=runs&id=8", "page=runs&id=7&id=8", "page=runs&id=77", ""):
        assert "another page" in refused(shot(right, f"http://shop.example.com/status?{query}"), page)


def test_a_hash_route_is_part_of_the_address() -> None:
    page = RunPage("https://jobs.example.com/#/runs/7", ["7"], "Completed")
    accept("Completed", page, "https://jobs.example.com/#/runs/7")
    assert "another page" in refused(shot("Completed", "https://jobs.example.com/#/runs/8"), page)
    assert "another page" in refused(shot("Completed", "https://jobs.example.com/"), page)


def test_an_encoded_run_id_is_recognised() -> None:
    page = RunPage("https://jobs.example.com/runs/manual%3A%3A2026-03-02", ["manual::2026-03-02"], "success")
    accept("success", page, "https://jobs.example.com/runs/manual::2026-03-02")


def test_a_page_without_the_run_s_name_is_refused_and_says_which_name() -> None:
    assert "calm-otter is not on it" in refused(shot(RIGHT.replace("calm-otter", "loud-heron")))


@pytest.mark.parametrize("other", ["calm-otter-2", "my-calm-otter", "calm-otters", "calm-otter_2", "Calm-Otter"])
def test_another_run_s_name_that_contains_this_one_s_is_another_name(other: str) -> None:
    assert "calm-otter is not on it" in refused(shot(RIGHT.replace("calm-otter", other)))


def test_a_name_in_a_query_that_we_did_not_ask_for_does_not_count() -> None:
    refused(shot(RIGHT.replace("calm-otter", "loud-heron"), f"{URL}?back=calm-otter"))


@pytest.mark.parametrize(
    "page",
    [
        RunPage(URL, [], "Completed"),
        RunPage(URL, [""], "Completed"),
        RunPage(URL, ["calm-otter", " "], "Completed"),
        RunPage(URL, ["calm-otter"], ""),
    ],
)
def test_a_platform_that_does_not_say_how_to_recognise_the_run_proves_nothing(page: RunPage) -> None:
    assert "how to recognise" in refused(shot(), page)


@given(text=st.text(max_size=200).filter(lambda text: "Completed" not in text))
def test_no_page_without_the_success_word_ever_counts(text: str) -> None:
    refused(shot("calm-otter\n" + text))


@given(text=st.text(max_size=200), address=st.text(max_size=60))
def test_every_refusal_is_a_reason_for_people_whatever_the_page(text: str, address: str) -> None:
    refused(shot(text, address))


@pytest.mark.parametrize("text", ["", "Dashboard\nRuns\n", "Dashboard\nLog in\n", "404 page not found\n"])
def test_a_page_that_does_not_show_the_run_at_all_is_refused_with_what_the_platform_advises(text: str) -> None:
    advised = replace(PAGE, advice="Its pages may call another port: set PREFECT_SERVER_UI_API_URL.")
    with pytest.raises(NotTheRun, match="PREFECT_SERVER_UI_API_URL"):
        refuse_shot(advised, shot(text), ended_at=ENDED)
    with pytest.raises(NotTheRun) as failed:
        refuse_shot(advised, shot(FAILED), ended_at=ENDED)
    assert "PREFECT_SERVER_UI_API_URL" not in str(failed.value), "this page shows the run"
