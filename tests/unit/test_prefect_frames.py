"""Every message that the pinned Prefect itself gives a failed or crashed run is known to the causes.

The messages are found in Prefect's source, so a new Prefect with a new frame fails here, before it blames a retailer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import prefect
import pytest

from caseproof.checks.causes import classify
from caseproof.checks.facts import CARRIERS
from caseproof.config.policy_check import built_in_signatures

MAKERS = {
    "Failed", "Crashed", "State", "StateCreate", "exception_to_failed_state", "exception_to_failed_state_sync",
    "exception_to_crashed_state", "exception_to_crashed_state_sync", "propose_crashed", "_propose_crashed_state",
    "propose_failed", "handle_exception",
}  # fmt: skip
"""What gives a run its last state, with ``message`` (or ``msg``) in it, or behind the run."""

NO_FAILURE = {
    "All states completed.", "*/* states cancelled.", "*/* states paused.", "*/* states are not final.",
    "Cancelled by Automation *",
}  # fmt: skip
"""Messages of runs that did not fail."""

OF_THE_JOB = {
    "Flow run exceeded timeout of * second(s)": "connection",
    "Task run exceeded timeout of * second(s)": "connection",
    "Flow run failed due to timeout: *": "connection",
    "Task run failed due to timeout: *": "connection",
    "*/* states failed.": "unknown",
    # Prefect does not look whose address it was ("TODO" in its source); our Prefect's own is told by its path.
    "Request to * failed: *.": "unknown",
}
"""Messages about the job itself, with the cause that they alone have."""

ELSEWHERE = (
    "Flow run could not be submitted to infrastructure: *",
    "Flow run marked as crashed due to missing heartbeats.",
    "No active or succeeded pods found for any job",
)
"""What parts of Prefect write that are not installed here: its cloud, its automations, its Kubernetes worker."""

BUILT_IN = built_in_signatures()


@cache
def templates() -> frozenset[str]:
    """The messages in Prefect's source; * stands for what is put in."""
    root = Path(prefect.__file__).parent
    found: set[str] = set()
    for file in root.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if not any(maker in text for maker in MAKERS):
            continue
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                found.update(_messages(function))
    return frozenset(one for one in found if any(letter.isalpha() for letter in one))


def _messages(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for call in ast.walk(function):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in MAKERS:
            named = [one.value for one in call.keywords if one.arg in {"message", "msg"}]
            for value in (*named, *call.args[1:2]):
                yield from _texts(value, function)


def _texts(value: ast.expr, function: ast.AST, deep: int = 0) -> Iterator[str]:
    """What a value may be, as far as it stands in the source."""
    if deep > 4:
        return
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in value.values)
    elif isinstance(value, ast.BoolOp):
        for part in value.values:
            yield from _texts(part, function, deep + 1)
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body, function, deep + 1)
        yield from _texts(value.orelse, function, deep + 1)
    elif isinstance(value, ast.Name):
        for one in ast.walk(function):
            if isinstance(one, ast.Assign) and any(getattr(target, "id", "") == value.id for target in one.targets):
                yield from _texts(one.value, function, deep + 1)


def cause_of(message: str) -> str:
    (name,) = classify([message], BUILT_IN)
    return next((str(one.cause) for one in BUILT_IN if one.name == name), "unknown")


def frame_of(message: str) -> str | None:
    """The built-in signature of ours whose frame this message has, whatever is put in."""
    (name,) = classify([message.replace("*", "something")], [one for one in BUILT_IN if one.frames])
    return name or None


def is_known(template: str) -> bool:
    return (
        template in NO_FAILURE
        or template in OF_THE_JOB
        or any(template.lower().startswith(carrier.lower()) for carrier in CARRIERS)
        or frame_of(template) is not None
    )


def test_every_message_that_prefect_gives_a_run_is_known() -> None:
    assert [one for one in sorted(templates()) if not is_known(one)] == []


def test_prefects_source_is_really_read() -> None:
    assert len(templates()) >= 25
    assert {
        "Failed to submit flow run to infrastructure: *: *", "Flow run could not start: *",
        "Process exited with status code: *. *", "Flow run encountered an exception:",
    } <= templates()  # fmt: skip


def test_what_prefect_does_not_write_any_more_is_taken_off_the_lists() -> None:
    assert sorted((NO_FAILURE | OF_THE_JOB.keys()) - templates()) == []


def test_a_new_frame_is_told() -> None:
    assert not is_known("Flow run was lost in the new engine: *")


@pytest.mark.parametrize(
    "inside",
    [
        "ApiException: (401) Reason: Unauthorized", "HTTPError: 404 Client Error: Not Found for url: /seller/7",
        "An error occurred (ExpiredTokenException) when calling the RunTask operation", "the feed is empty",
        "ReadTimeout: timed out", "{\"error\":\"invalid_grant\"}",
    ],
)  # fmt: skip
def test_whatever_stands_in_a_frame_of_ours_is_ours(inside: str) -> None:
    frames = [*(one for one in templates() if frame_of(one)), *ELSEWHERE]
    assert len(frames) > len(ELSEWHERE)
    for template in frames:
        message = template.replace("*", inside)
        assert cause_of(message) == "our_platform", message
        assert cause_of(f"Flow run encountered an exception: CrashedRun: {message}") == "our_platform", message


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_only_carries_a_message_changes_nothing(carrier: str) -> None:
    for message in ("JobFailed: GET /orders answered 401: no", "KeyError: 'price'", "ReadTimeout: timed out"):
        assert cause_of(f"{carrier} {message}") == cause_of(message)


@pytest.mark.parametrize(("template", "cause"), OF_THE_JOB.items())
def test_what_prefect_says_of_the_job_itself_has_its_cause(template: str, cause: str) -> None:
    assert cause_of(template.replace("*", "7")) == cause


@cache
def explanations() -> frozenset[str]:
    """What Prefect says of the codes with which processes end."""
    return frozenset(
        text
        for file in Path(prefect.__file__).parent.rglob("*exit_codes.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        for one in call.keywords
        if one.arg == "explanation"
        for text in _texts(one.value, call)
    )


def test_every_way_in_which_a_process_may_end_is_ours() -> None:
    assert len(explanations()) >= 10
    for told in explanations():
        assert cause_of(f"Process exited with status code: 7. {told}") == "our_platform"
        assert cause_of(f"Flow run infrastructure exited with non-zero status code 7. {told}") == "our_platform"
