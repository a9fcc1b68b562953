"""Two processes at one store: both migrate, both open the same case, both append, claim, get the same mail."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from caseproof.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told(stores):
    """The store's URL, and what both said at each step; neither starts a step before both ended the last."""
    url = stores.empty()
    command = [sys.executable, str(Path(__file__).with_name("writer.py")), url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen([*command, name], env=environment, **pipes) for name in ("a", "b")]
    try:
        assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
        answers = []
        for _ in range(5):
            for process in both:
                process.stdin.write("go\n")
                process.stdin.flush()
            answers.append([json.loads(process.stdout.readline()) for process in both])
    finally:
        for process in both:
            process.stdin.close()
            process.wait(60)
            process.stdout.close()
    return url, answers


def test_one_opens_the_case_and_the_other_is_told_which(told):
    assert sorted(told[1][1]) == ["already open: JF-000001", "created: JF-000001"]


def test_no_event_of_either_is_lost(told):
    store = Store(told[0])
    case = store.case("JF-000001")
    with store.reading() as uow:
        assert uow.cases.damaged() == []
    store.close()
    assert Counter(event.actor for event in case.events) == {"a": 15, "b": 15, "caseproof": 1}


def test_one_gets_the_intent(told):
    assert sorted(told[1][3]) == ["busy", "new"]


def test_the_same_bytes_that_both_receive_are_one_message(told):
    assert told[1][4] == [1, 1]
    store = Store(told[0])
    with store.reading() as uow:
        assert [row.sender in ("a@x", "b@x") for row in uow.messages.of_case("JF-000001")] == [True]
    store.close()
