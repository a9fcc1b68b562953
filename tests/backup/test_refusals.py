"""What a backup and a restore refuse, and that they then wrote nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from caseproof.backup import BackupError, check_backup, make_backup, restore_backup
from caseproof.domain.errors import CaseproofError
from caseproof.evidence.vault import Vault
from caseproof.store import Store, StoreDown, StoreError
from caseproof.store.copying import rows_in
from tests.backup.places import NOW, Place, rewrite, store_at

ROOT = Path(__file__).parents[2]


def untouched(place: Place) -> bool:
    """Neither files nor rows."""
    return place.files() == {} and rows_in(Store(place.url)) == 0


def refused(place: Place, backup: Path, match: str, **how: object) -> None:
    """A restore that ends with an error for people, and leaves the home as it was."""
    before = sorted(place.home.rglob("*"))
    with pytest.raises(CaseproofError, match=match) as refusal:
        restore_backup(place.parts, backup, **how)  # type: ignore[arg-type]
    assert refusal.value.next_action
    assert untouched(place)
    assert sorted(place.home.rglob("*")) == before


# -- folders that take no backup --------------------------------------------------------------------------------------


def test_a_folder_that_is_not_empty_takes_no_backup(full: Place, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(BackupError, match="is not empty") as refusal:
        make_backup(full.parts, tmp_path / "notes", now=NOW)
    assert "new or empty" in refusal.value.next_action
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["mine.txt"]


def test_a_backup_is_never_written_over_another(saved: tuple[Place, Path]) -> None:
    before = (saved[1] / "backup.json").read_bytes()
    with pytest.raises(BackupError, match="holds a backup already"):
        make_backup(saved[0].parts, saved[1], now=NOW)
    assert (saved[1] / "backup.json").read_bytes() == before


def test_a_file_or_a_place_that_cannot_be_written_takes_no_backup(full: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BackupError) as refusal:
            make_backup(full.parts, folder, now=NOW)
        assert refusal.value.next_action
    with pytest.raises(BackupError, match="cannot be written"):
        make_backup(full.parts, Path("/proc/backup"), now=NOW)  # root too cannot write there


@pytest.mark.parametrize("inside", ["evidence", "proofs/today"])
def test_a_backup_does_not_go_into_what_it_saves(full: Place, inside: str) -> None:
    with pytest.raises(BackupError, match="lies in what is to be saved"):
        make_backup(full.parts, full.home / inside, now=NOW)


def child(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What tests/backup/child.py does, in a process of its own."""
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name("child.py")), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("too_big", ["evidence", "policy"])
def test_a_backup_that_finds_the_disk_full_is_no_backup(
    full: Place, empty: Place, tmp_path: Path, too_big: str
) -> None:
    """The system lets a process of ours write small files only, as a full disk or a quota does."""
    store, content = Store(full.url), b"x" * 250_000
    if too_big == "policy":
        (full.home / "policy.yaml").write_bytes(content)
    else:
        file = full.parts.vault.put(content, "big.txt", "text/plain")
        with store.uow() as uow:
            uow.evidence.add("JF-000004", file.digest, "big.txt", "text/plain", file.size, NOW)
            uow.commit()
    ended = child("make", full.home, full.url, tmp_path / "b")
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert "BackupError: The backup" in last
    assert "there is no room" in last.lower()
    assert "Free disk space" in last
    assert list((tmp_path / "b").rglob(".new-*")) == []
    refused(empty, tmp_path / "b", "no whole backup")


def test_a_store_that_cannot_be_read_gives_no_backup(tmp_path: Path) -> None:
    place = store_at(tmp_path / "home")
    with pytest.raises(StoreError):
        make_backup(place.parts, tmp_path / "b", now=NOW)
    assert not (tmp_path / "b" / "backup.json").exists()


# -- problems of the home ---------------------------------------------------------------------------------------------


def history_of_the_first(home: Path) -> Path:
    """A file that the first proof rests on, and no other."""
    proof = json.loads(min((home / "proofs").iterdir()).read_text())
    return home / "evidence" / proof["history"][:2] / proof["history"]


@pytest.mark.parametrize("how", ["missing", "changed"])
def test_missing_evidence_is_named_and_the_rest_is_saved(full: Place, empty: Place, tmp_path: Path, how: str) -> None:
    gone = history_of_the_first(full.home)
    gone.unlink() if how == "missing" else gone.write_bytes(b"{}")
    manifest, found = make_backup(full.parts, tmp_path / "b", now=NOW)
    name = f"evidence/{gone.name[:2]}/{gone.name}"
    assert set(manifest.problems) == {name, "proof of JF-000001"}
    assert re.match(rf"JF-000001-history-\d+\.json of JF-000001 (is|was) {how}", manifest.problems[name])
    assert (found.closed, found.proofs) == (2, 1)
    refused(empty, tmp_path / "b", r"history-\d+\.json of JF-000001")
    restore_backup(empty.parts, tmp_path / "b", anyway=True)
    assert empty.tables() == full.tables()
    assert full.files().items() - empty.files().items() == ({(name, b"{}")} if how == "changed" else set())


def test_an_edited_case_is_named_and_comes_back_only_on_request(full: Place, empty: Place, tmp_path: Path) -> None:
    with sqlite3.connect(full.home / "caseproof.sqlite") as raw:
        raw.execute("UPDATE cases SET state = 'running' WHERE ref = 'JF-000004'")
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET actor = 'nobody' WHERE case_id = 1 AND seq = 3")
    manifest, _ = make_backup(full.parts, tmp_path / "b", now=NOW)
    assert set(manifest.problems) == {"JF-000001", "JF-000004"}
    assert "event 3" in manifest.problems["JF-000001"]
    assert "its row says something else" in manifest.problems["JF-000004"]
    refused(empty, tmp_path / "b", "JF-000004")
    restore_backup(empty.parts, tmp_path / "b", anyway=True)
    with Store(empty.url).reading() as uow:
        assert uow.cases.damaged() == ["JF-000001", "JF-000004"]


def test_an_event_that_is_no_json_is_named_and_saved_as_the_text_it_is(
    full: Place, empty: Place, tmp_path: Path
) -> None:
    with sqlite3.connect(full.home / "caseproof.sqlite") as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET data = '{half' WHERE case_id = 4 AND seq = 2")
        raw.execute("UPDATE cases SET retailer = 'Another' WHERE id = 5")
    manifest, found = make_backup(full.parts, tmp_path / "b", now=NOW)
    assert set(manifest.problems) == {"JF-000004", "JF-000005"}
    assert "its events cannot be read" in manifest.problems["JF-000004"]
    assert "its row says something else" in manifest.problems["JF-000005"]
    assert found.proofs == found.closed
    assert '"data":"{half"' in (tmp_path / "b" / "store" / "events.jsonl").read_text()
    refused(empty, tmp_path / "b", "JF-000004")
    restore_backup(empty.parts, tmp_path / "b", anyway=True)
    with Store(empty.url).reading() as uow:
        assert uow.cases.damaged() == ["JF-000004", "JF-000005"]
        assert uow.guards_missing() == []


def test_a_row_that_cannot_be_read_at_all_gives_no_backup(full: Place, tmp_path: Path) -> None:
    with sqlite3.connect(full.home / "caseproof.sqlite") as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET at = 'yesterday' WHERE case_id = 4 AND seq = 2")
    with pytest.raises(StoreError, match="A row of the table events cannot be read") as refusal:
        make_backup(full.parts, tmp_path / "b", now=NOW)
    assert "`caseproof case list` names" in refusal.value.next_action
    assert not (tmp_path / "b" / "backup.json").exists()
    with full.parts.store.reading() as uow:
        assert uow.cases.damaged() == ["JF-000004"]


def test_a_proof_file_that_was_changed_in_the_home_is_saved_from_the_vault(full: Place, tmp_path: Path) -> None:
    proof = sorted((full.home / "proofs").iterdir())[0]
    right = proof.read_bytes()
    proof.write_text("{}")
    manifest, found = make_backup(full.parts, tmp_path / "b", now=NOW)
    assert list(manifest.problems) == [f"proofs/{proof.name}"]
    assert (tmp_path / "b" / "proofs" / proof.name).read_bytes() == right
    assert found.proofs == found.closed


# -- a live system ----------------------------------------------------------------------------------------------------


def test_nothing_is_restored_while_caseproof_is_up(empty: Place, saved: tuple[Place, Path]) -> None:
    refused(empty, saved[1], "process 17", is_up=lambda: "process 17")


def test_nothing_is_restored_over_a_store_with_rows(empty: Place, saved: tuple[Place, Path]) -> None:
    store = Store(empty.url)
    store.migrate()
    with store.uow() as uow:
        uow.people.add_contact("Shop A", "a@example.com")
        uow.commit()
    before = empty.tables()
    with pytest.raises(BackupError, match=r"^The store sqlite:/.*caseproof\.sqlite holds 2 rows already") as refusal:
        restore_backup(empty.parts, saved[1], anyway=True)
    assert "CASEPROOF_DATABASE_URL" in refusal.value.next_action
    assert (empty.tables(), empty.files()) == (before, {})


def test_a_full_system_is_left_as_it_is(full: Place, saved: tuple[Place, Path]) -> None:
    before = (full.tables(), full.files())
    with pytest.raises(BackupError, match="rows already"):
        restore_backup(full.parts, saved[1])
    assert (full.tables(), full.files()) == before


@pytest.mark.parametrize("folder", ["evidence", "proofs"])
def test_nothing_is_restored_beside_files_of_another_home(empty: Place, saved: tuple[Place, Path], folder: str) -> None:
    other = Vault(empty.home / folder).put(b"of another home", "x", "text/plain")
    with pytest.raises(BackupError, match="not from this backup"):
        restore_backup(empty.parts, saved[1])
    assert list(empty.files().values()) == [b"of another home"]
    assert other.path.exists()
    assert rows_in(Store(empty.url)) == 0


def test_a_policy_that_is_there_stays(empty: Place, saved: tuple[Place, Path]) -> None:
    (empty.home / "policy.yaml").write_text("team: [somebody else, and another]\n")
    restore_backup(empty.parts, saved[1])
    assert (empty.home / "policy.yaml").read_text() == "team: [somebody else, and another]\n"


def test_a_database_of_another_program_or_none_at_all_takes_no_backup(
    empty: Place, saved: tuple[Place, Path], tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "other.sqlite") as raw:
        raw.execute("CREATE TABLE theirs (id)")
    with pytest.raises(StoreError, match="another program"):
        restore_backup(replace(empty.parts, store=Store(f"sqlite:///{tmp_path / 'other.sqlite'}")), saved[1])
    away = Store("postgresql://caseproof:x@127.0.0.1:9/caseproof", patience=0)
    with pytest.raises(StoreDown):
        restore_backup(replace(empty.parts, store=away), saved[1])
    assert empty.files() == {}


# -- backups that are not as they were written ------------------------------------------------------------------------


def first(folder: Path) -> Path:
    return min(path for path in folder.rglob("*") if path.is_file())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def link(path: Path) -> None:
    aside = path.parent.with_suffix(".aside")
    path.rename(aside)
    path.symlink_to(aside)


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a shorter table": (lambda b: shorten(b / "store" / "events.jsonl"), "events.jsonl was changed"),
    "a row less": (lambda b: edit(b / "store" / "cases.jsonl", "\n", ""), "cases.jsonl was changed"),
    "a flipped bit in evidence": (lambda b: flip(first(b / "evidence")), "was changed after it was written"),
    "a flipped bit in a proof": (lambda b: flip(first(b / "proofs")), "was changed after it was written"),
    "a flipped bit in the policy": (lambda b: flip(b / "policy.yaml"), "policy.yaml was changed"),
    "evidence removed": (lambda b: first(b / "evidence").unlink(), "is missing"),
    "a table removed": (lambda b: (b / "store" / "tickets.jsonl").unlink(), "tickets.jsonl is missing"),
    "the policy removed": (lambda b: (b / "policy.yaml").unlink(), "policy.yaml is missing"),
    "the evidence removed": (lambda b: shutil.rmtree(b / "evidence"), "is missing"),
    "a file added": (lambda b: (b / "store" / "more.jsonl").write_text("{}\n"), "more.jsonl was added"),
    "a folder of files added": (lambda b: shutil.copytree(b / "store", b / "store2"), "was added"),
    "backup.json gone": (lambda b: (b / "backup.json").unlink(), "no whole backup"),
    "backup.json shorter": (lambda b: shorten(b / "backup.json"), "not as Caseproof writes it"),
    "backup.json a list": (lambda b: (b / "backup.json").write_text("[]"), "not as Caseproof writes it"),
    "backup.json edited": (lambda b: edit(b / "backup.json", '"2026-', '"2025-'), "backup.json was changed"),
    "backup.json a link": (lambda b: link(b / "backup.json"), "is a link"),
    "the list edited": (lambda b: edit(b / "SHA256SUMS", "policy.yaml", "../../policy.yaml"), "SHA256SUMS was changed"),
    "the list gone": (lambda b: (b / "SHA256SUMS").unlink(), "is missing"),
    "a linked file": (lambda b: link(b / "policy.yaml"), "is a link"),
    "a linked folder": (lambda b: link(b / "proofs"), "is a link"),
    "a pipe": (lambda b: os.mkfifo(b / "proofs" / "pipe.json"), "no file at all"),
    "a table of 300 GB": (lambda b: grow(b / "store" / "events.jsonl"), "larger than its backup.json says"),
    "a file of 300 GB added": (lambda b: grow(b / "store" / "more.jsonl"), "larger than its backup.json says"),
    "a list of 300 GB": (lambda b: grow(b / "SHA256SUMS"), "larger than it can be"),
    "a backup.json of 300 GB": (lambda b: grow(b / "backup.json"), "backup.json cannot be read: it is larger"),
    "an entry twice": (
        lambda b: edit(b / "backup.json", '"files"', '"size": 1, "files"'),
        "not as Caseproof writes it",
    ),
    "a number without an end": (
        lambda b: edit(b / "backup.json", '"files": ', f'"files": {"9" * 5000}'),
        "not as Case",
    ),
    "a newer format": (lambda b: rewrite(b, caseproof_backup=2), "of the format 2"),
    "a newer store": (lambda b: rewrite(b, revision="9999"), "of a newer store"),
    "counts that do not fit": (lambda b: rewrite(b, rows={"cases": 4}), "does not hold as many rows"),
    "counts that are none": (lambda b: rewrite(b, rows={"cases": "many"}), "not as Caseproof writes it"),
}


def grow(path: Path) -> None:
    """A file that takes no room on the disk, and all of the memory of who reads it."""
    with path.open("ab") as file:
        file.truncate(300 * 1024**3)


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_backup_is_refused_before_anything_is_written(what: str, copy: Path, empty: Place) -> None:
    spoil, says = SPOILT[what]
    spoil(copy)
    refused(empty, copy, says, anyway=True)


def forge(backup: Path, table: str, old: str, new: str) -> None:
    """Edit a table and write every digest anew."""
    edit(backup / "store" / f"{table}.jsonl", old, new)
    rewrite(backup)


def lines(backup: Path, table: str) -> list[str]:
    return (backup / "store" / f"{table}.jsonl").read_text().splitlines(keepends=True)


def without_the_first_event(backup: Path) -> None:
    (backup / "store" / "events.jsonl").write_text("".join(lines(backup, "events")[1:]))
    said = json.loads((backup / "backup.json").read_text())["rows"]
    rewrite(backup, rows=said | {"events": said["events"] - 1})


ELSEWHERE: Callable[[str], str] = lambda text: text.replace("  policy.yaml", "  ../policy.yaml")  # noqa: E731
FORGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another actor": (lambda b: forge(b, "events", '"actor":"operator"', '"actor":"somebody"'), "match its digest"),
    "an event less": (without_the_first_event, "JF-000001: its event 2 does not match"),
    "a state": (lambda b: forge(b, "cases", '"state":"waiting"', '"state":"running"'), "its row says something else"),
    "a case less": (lambda b: forge(b, "cases", lines(b, "cases")[4], ""), "rows of a case that is not there"),
    "another proof": (lambda b: forge(b, "cases", '"proof":"', '"proof":"00'), "JF-000001: its row says"),
    "no row": (lambda b: forge(b, "tickets", '{"id":1', '["id",1'), "is no row"),
    "a list that leaves the folder": (lambda b: rewrite(b, ELSEWHERE), "names what no backup has: '../policy.yaml'"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_backup_with_digests_written_anew_must_still_add_up(what: str, copy: Path, empty: Place) -> None:
    """A digest is no signature; but cases, proofs and counts hang together."""
    forgery, says = FORGED[what]
    forgery(copy)
    refused(empty, copy, says, anyway=True)


def test_a_row_that_the_database_refuses_leaves_no_row(copy: Path, empty: Place) -> None:
    """What only the database can tell is found in the transaction; the files are the backup's, and may be there."""
    forge(copy, "contacts", '"retailer_id":1', '"retailer_id":77')
    with pytest.raises(StoreError):
        restore_backup(empty.parts, copy)
    assert rows_in(Store(empty.url)) == 0
    forge(copy, "contacts", '"retailer_id":77', '"retailer_id":1')
    restore_backup(empty.parts, copy)  # and what is there does not stand in the way
    assert check_backup(copy)[0].rows["contacts"] == len(empty.tables()["contacts"])


@pytest.mark.parametrize("missing", ["", "nowhere"])
def test_a_folder_without_a_backup_is_no_backup(empty: Place, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "some" / missing
    (tmp_path / "some").mkdir()
    refused(empty, folder, "no whole backup" if not missing else "There is no folder")


# -- killed in the middle ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "times"), [("Putting evidence back", 5), ("Putting rows back", 4), ("Keeping it", 1)], ids=str
)
def test_a_restore_that_is_killed_leaves_nothing_or_all_and_can_be_repeated(
    saved: tuple[Place, Path], empty: Place, at: str, times: int
) -> None:
    ended = child("restore", empty.home, empty.url, saved[1], at, times)
    assert ended.returncode == -signal.SIGKILL
    assert rows_in(Store(empty.url)) == 0
    half = empty.files()
    assert half
    assert half.items() <= saved[0].files().items()
    (empty.home / "evidence" / "aa").mkdir(exist_ok=True)
    (empty.home / "evidence" / "aa" / ".new-half").write_text("what a write that is killed leaves")
    restore_backup(empty.parts, saved[1])
    assert empty.tables() == saved[0].tables()
    assert empty.files() == saved[0].files()


def test_two_restores_at_once_give_one_store(saved: tuple[Place, Path], empty: Place) -> None:
    """The second finds rows, before it began or in its transaction; nothing is in the store twice."""

    def meanwhile(what: str, done: int, total: int) -> None:
        if (what, done) == ("Putting evidence back", total):
            restore_backup(empty.parts, saved[1])

    with pytest.raises(StoreError, match="got rows meanwhile"):
        restore_backup(empty.parts, saved[1], progress=meanwhile)
    assert empty.tables() == saved[0].tables()
