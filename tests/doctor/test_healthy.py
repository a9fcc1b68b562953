"""A healthy installation: the doctor says that all is well, and leaves no trace of having been there."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest

from caseproof import cli
from caseproof.cli import doctor as command
from caseproof.doctor import Finding, Installation, examine
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


def test_all_is_well_in_a_healthy_installation_and_looking_changes_nothing(
    house: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the command does it, which says the same to a program, and ends with 0."""
    before = retailers(house)
    for name, value in {"HOME": house.home, "PUBLIC_URL": house.web.url, "WEB_URL": house.web.url}.items():
        monkeypatch.setenv(f"CASEPROOF_{name}", str(value))
    findings: list[Finding] = []

    def kept(here: Installation) -> list[Finding]:
        findings[:] = examine(here)
        return findings

    monkeypatch.setattr(command, "examine", kept)
    monkeypatch.setattr(sys, "argv", ["caseproof", "doctor", "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert (ended.value.code or 0, told.err) == (0, "")
    assert json.loads(told.out) == [
        {"check": one.check, "ok": True, "found": one.found, "next_action": ""} for one in findings
    ]
    assert [one.check for one in findings] == CHECKS
    found = {one.check: one.found for one in findings}
    assert found["Evidence"] == "1 files of JF-000001 match their digests"
    assert "cannot open it" in found["Web app"], "a loopback address is told to be one"
    assert {"Prefect's server", f"platform '{JOBS}'", "The web app", "The confirmation page"} == set(
        found["Clocks"].partition(": ")[2].rstrip(".").split(", ")
    )
    assert retailers(house) == before
    assert "0 messages in INBOX, Caseproof is made when the first one is taken in" in found["Mailbox"]
    assert found["Mailbox"].endswith("mailbox.example.com says whose mail is genuine")
    assert "have no login" in found["Confirmation page"], "it stands beside the cases here"
    assert house.mailbox.messages == []
    assert house.inbox.folders() == ["INBOX"], "looking makes no folder"
    assert MAIL_PASSWORD not in str(findings)
    assert found["Call list"] == "1 of 1 people are called, each by a number"
    assert (
        found["Voice"]
        == "'doctor-voice' may call; nobody was called; 'doctor-second-voice' may call; nobody was called"
    )
    assert house.telephones.calls == []
    assert not (house.home / "calendars").exists(), "looking keeps no calendar"


@pytest.mark.full
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
