"""`caseproof case open --support` and `caseproof mine`: as a person types them, with Prefect down."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.up.processes import free_port
from tests.support.command import Run

OPEN = ("case", "open", "--support", "--client", "Example Foods", "--product", "WooCommerce", "--summary", "Empty cart")


@pytest.fixture(autouse=True)
def no_prefect() -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        yield


def test_a_support_case_is_opened_shown_and_found_by_who_has_to_act(run: Run) -> None:
    opened = run(*OPEN, "--said", "Customers see an empty cart.", "--urgency", "stops", "--json")
    assert opened.code == 0, opened.err
    told = json.loads(opened.out)
    assert (told["case"], told["new"], told["state"], told["flow_run"]) == ("SC-000001", True, "with_l1", "")
    again = run(*OPEN, "--said", "Customers see an empty cart.")
    assert "SC-000001 is there for this already" in again.out
    shown = run("case", "show", "SC-000001")
    assert "Customers see an empty cart." in shown.out
    why = json.loads(run("case", "why", "SC-000001", "--json").out)
    assert ("solved" in {one["code"] for one in why["missing"]}, bool(why["to_climb"])) == (True, True)
    listed = run("case", "list").out
    assert "Empty cart" in listed
    heads = {"Retailer or client", "Cause or product"}
    assert all(set(head.split()) <= set(listed.replace("┃", " ").split()) for head in heads), listed

    waits = json.loads(run("mine", "Operator", "--json").out)
    assert (waits["name"], [one["case"] for one in waits["cases"]]) == ("operator", ["SC-000001"])
    assert "you" in run("mine", "operator", "--claim", "sc-000001").out
    assert "Nothing waits for team lead." in run("mine", "team lead").out
    handed = run("mine", "operator", "--hand", "SC-000001", "--to", "team lead", "--json")
    assert json.loads(handed.out)["cases"] == []
    refused = run("mine", "operator", "--claim", "SC-000001")
    assert (refused.code, "team lead has it" in refused.err) == (1, True)


def test_what_is_missing_is_said_with_the_next_action(run: Run) -> None:
    ended = run("case", "open", "--support", "--said", "Customers see an empty cart.")
    assert (ended.code, "lacks the client" in ended.err) == (1, True)
    assert run("case", "open", "--support", "--message", "9", "--client", "x").code == 1
    assert run("case", "open", "--support", "--for", "JF-000009", "--said", "It fails.").code == 1
    assert run("case", "open").code == 2
    assert run("mine", "operator", "--hand", "SC-000001").code == 2
    assert run("mine", "stranger").code == 1
