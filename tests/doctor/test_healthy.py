"""A healthy installation: the doctor says that all is well, and leaves no trace of having been there."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from typing import Any

from caseproof.doctor import examine
from sandbox.world import ROOT
from tests.doctor.conftest import JOBS, MAIL_PASSWORD

CHECKS = [
    "Python", "Packages", "Home folder", "Private files", "Disk space", "Policy", "Browser",
    "Prefect address", "Prefect server", "Prefect version", "Prefect password", "Prefect origins",
    "Prefect pages", "Work pool", "Emergency pool", "Deployments", "Worker", "Emergency worker",
    "Store", "Store takes writes", "Cases unedited", "Keeper", "Key of links", "Evidence",
    "Words of mail", "Mail server", "Mailbox", "Desk", "Nothing owed",
    "Platforms", f"Platform {JOBS}", f"Pages of {JOBS}", f"Contacts of {JOBS}",
    "Call list", "On-call calendars", "Cover", "Numbers reached", "Voice", "Teams", "Kept channels",
    "Web app", "Web app's store", "Web addresses", "Confirmation page", "Web host names",
    "Whose word on a login", "Logins", "Clocks",
]  # fmt: skip


def retailers(house: Any) -> list[Any]:
    with closing(house.raw(house.home)) as raw:
        return list(raw.execute("SELECT * FROM retailers"))


def test_all_is_well_in_a_healthy_installation_and_looking_changes_nothing(house: Any) -> None:
    before = retailers(house)
    findings = examine(house.installation(thorough=True))
    assert [one for one in findings if not one.ok] == []
    assert [one.check for one in findings] == CHECKS
    told = {one.check: one.found for one in findings}
    assert told["Evidence"] == "1 files of JF-000001 match their digests"
    assert "cannot open it" in told["Web app"], "a loopback address is told to be one"
    assert {"Prefect's server", f"platform '{JOBS}'", "The web app", "The confirmation page"} == set(
        told["Clocks"].partition(": ")[2].rstrip(".").split(", ")
    )
    assert retailers(house) == before
    assert "0 messages in INBOX, Caseproof is made when the first one is taken in" in told["Mailbox"]
    assert told["Mailbox"].endswith("mailbox.example.com says whose mail is genuine")
    assert "have no login" in told["Confirmation page"], "it stands beside the cases here"
    assert house.mailbox.messages == []
    assert house.inbox.folders() == ["INBOX"], "looking makes no folder"
    assert MAIL_PASSWORD not in str(findings)
    assert told["Call list"] == "1 of 1 people are called, each by a number"
    assert (
        told["Voice"] == "'doctor-voice' may call; nobody was called; 'doctor-second-voice' may call; nobody was called"
    )
    assert house.telephones.calls == []
    assert not (house.home / "calendars").exists(), "looking keeps no calendar"


def test_the_command_says_the_same_to_a_program_and_ends_with_0(house: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.patient_doctor", "doctor", "--json"], cwd=house.home, timeout=240,
        env=house.env() | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert [one for one in told if not one["ok"]] == []
    assert [one["check"] for one in told] == CHECKS
    assert {frozenset(one) for one in told} == {frozenset(("check", "ok", "found", "next_action"))}
    assert (done.returncode, done.stderr) == (0, "")
