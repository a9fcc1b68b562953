"""`caseproof backup` and `caseproof restore`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caseproof.channels.kept_channels import KeptChannels, keep_channels
from caseproof.channels.teams.webhook import TeamsHook
from caseproof.store import locks
from caseproof.up.postgres import EmbeddedPostgres
from tests.backup.places import Place
from tests.support.command import Ended, Run, runner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command for a home."""
    command = runner(monkeypatch, capsys)

    def run(home: Path, *arguments: object) -> Ended:
        monkeypatch.setenv("CASEPROOF_HOME", str(home))
        return command(*arguments)

    return run


def test_a_home_is_saved_and_restored(run: Run, full: Place, empty: Place, tmp_path: Path) -> None:
    before = (full.tables(), full.files())
    code, out, err = run(full.home, "backup", tmp_path / "b")
    assert (code, err) == (0, "")
    for told in ("5 (2 closed), folded from", "2 of 2 closed cases", "none"):
        assert told in out
    code, out, err = run(empty.home, "restore", tmp_path / "b")
    assert (code, err) == (0, "")
    assert "2 of 2 closed cases" in out
    steps = ("`caseproof up`", "`caseproof setup FILE.yaml`", "`caseproof doctor`", "`caseproof case wake REF`")
    places = [out.index(step) for step in steps]
    assert places == sorted(places), "each needs what stands before it: without a Prefect there is nowhere to set up"
    assert (empty.tables(), empty.files()) == before


def test_a_program_gets_json(run: Run, full: Place, empty: Place, tmp_path: Path) -> None:
    told = [json.loads(run(*typed, "--json")[1]) for typed in (
        (full.home, "backup", tmp_path / "b"), (empty.home, "restore", tmp_path / "b"),
    )]  # fmt: skip
    assert told[0] == told[1]
    assert (told[0]["cases"], told[0]["closed"], told[0]["proofs"], told[0]["problems"]) == (5, 2, 2, {})


def test_a_backup_with_problems_ends_with_1_and_names_them(run: Run, full: Place, empty: Place, tmp_path: Path) -> None:
    proof = min((full.home / "proofs").iterdir())
    proof.unlink()
    code, out, err = run(full.home, "backup", tmp_path / "b")
    assert code == 1
    assert f"NO proofs/{proof.name}" in out
    assert "The backup was written, but one thing in this home is missing or changed." in err
    assert "Next: " in err
    code, out, err = run(empty.home, "restore", tmp_path / "b")
    assert (code, out) == (1, "")
    assert "--anyway" in err
    assert run(empty.home, "restore", tmp_path / "b", "--anyway")[0] == 0
    assert (empty.home / "proofs" / proof.name).exists()


def test_keys_are_saved_only_by_who_says_so_and_a_restore_without_them_says_what_that_means(
    run: Run, full: Place, tmp_path: Path
) -> None:
    assert run(full.home, "keys", "list", "--json")[0] == 0
    keep_channels(full.home, KeptChannels(teams=TeamsHook("alarm", "https://teams.example.com/hook?sig=secret")))
    code, out, err = run(full.home, "backup", tmp_path / "b", "--with-keys")
    assert (code, out) == (1, "")
    assert "Whoever reads this backup can answer in the name of every retailer" in err
    assert not (tmp_path / "b").exists()
    assert run(full.home, "backup", tmp_path / "without")[0] == 0
    assert run(full.home, "backup", tmp_path / "with", "--with-keys", "--yes")[0] == 0
    key = (full.home / "keys" / "answers").read_text()
    assert (tmp_path / "with" / "keys" / "answers").read_text() == key
    assert not (tmp_path / "without" / "keys").exists()
    saved = [one.read_bytes() for one in (tmp_path / "with").rglob("*") if one.is_file()]
    assert not any(b"sig=secret" in one for one in saved), "what reaches people is written anew from the blocks"
    code, _, err = run(tmp_path / "one", "restore", tmp_path / "with")
    assert (code, err) == (0, "")
    assert (tmp_path / "one" / "keys" / "answers").read_text() == key
    code, _, err = run(tmp_path / "two", "restore", tmp_path / "without")
    assert code == 0
    assert "This backup has no keys, so every link that is out is void." in " ".join(err.split())
    assert (tmp_path / "two" / "keys" / "answers").read_text() != key


def test_another_key_is_made_only_by_who_says_so(run: Run, full: Place) -> None:
    [kept] = json.loads(run(full.home, "keys", "list", "--json")[1])
    assert kept["standing"].startswith("in force")
    key = (full.home / "keys" / "answers").read_text().strip()
    assert key not in run(full.home, "keys", "list")[1]
    code, _, err = run(full.home, "keys", "new")
    assert code == 1
    assert "Next: Say so with --yes" in err
    assert (full.home / "keys" / "answers").read_text().strip() == key
    assert run(full.home, "keys", "new", "--yes")[0] == 0
    assert (full.home / "keys" / "answers").read_text().strip() != key
    assert (full.home / "keys" / "answers-void").read_text().split() == [key]


def test_nothing_is_restored_into_a_home_that_is_up(run: Run, empty: Place, saved: tuple[Place, Path]) -> None:
    lock = empty.home / "up" / "lock"
    assert locks.hold(lock)
    try:
        code, out, err = run(empty.home, "restore", saved[1])
    finally:
        locks.let_go(lock)
    assert (code, out) == (1, "")
    assert "`caseproof up` runs for this home" in err
    assert "Next: Stop it, then restore." in err
    assert empty.files() == {}


def test_the_built_in_policy_is_nobodys_and_stays_out(run: Run, full: Place, tmp_path: Path) -> None:
    (full.home / "policy.yaml").unlink()
    assert run(full.home, "backup", tmp_path / "b")[0] == 0
    assert not (tmp_path / "b" / "policy.yaml").exists()


def test_a_policy_elsewhere_is_saved_too(
    run: Run, full: Place, empty: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ours.yaml").write_text("team: [a, b]\n")
    monkeypatch.setenv("CASEPROOF_POLICY", str(tmp_path / "ours.yaml"))
    assert run(full.home, "backup", tmp_path / "b")[0] == 0
    monkeypatch.delenv("CASEPROOF_POLICY")
    assert run(empty.home, "restore", tmp_path / "b")[0] == 0
    assert (empty.home / "policy.yaml").read_text() == "team: [a, b]\n"


def test_a_home_moves_from_sqlite_into_an_embedded_postgresql_that_runs_only_while_it_is_needed(
    run: Run, full: Place, tmp_path: Path
) -> None:
    assert run(full.home, "backup", tmp_path / "b")[0] == 0
    refused = run(full.home, "restore", tmp_path / "b", "--postgres")
    assert refused[0] == 1
    assert "keeps its cases in SQLite already" in refused[2]

    home = tmp_path / "new"
    code, _, err = run(home, "restore", tmp_path / "b", "--postgres")
    assert (code, err) == (0, "")
    assert not (home / "caseproof.sqlite").exists()
    assert not EmbeddedPostgres(home / "postgres").answers(), "stopped again"
    code, out, _ = run(home, "backup", tmp_path / "again", "--json")
    assert code == 0
    assert json.loads(out)["cases"] == 5
    assert (tmp_path / "again" / "SHA256SUMS").read_text() == (tmp_path / "b" / "SHA256SUMS").read_text()
