"""A proof that was touched, or whose files were, does not hold any more."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event, head
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.proof import verify_proof
from caseproof.evidence.vault import Vault
from tests.support.world import World

KEYS = (
    "caseproof_proof", "case", "made_at", "opening", "rule", "kind", "statement", "job", "conditions", "run",
    "confirmations", "approvals", "head", "events", "history", "files",
)  # fmt: skip


@dataclass
class Copy:
    """A copy of a closed case's proof and evidence, to be spoilt."""

    path: Path
    vault: Vault

    @property
    def said(self) -> dict[str, Any]:
        return json.loads(self.path.read_text(encoding="utf-8"))

    def say(self, said: dict[str, Any]) -> None:
        self.path.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @property
    def holds(self) -> bool:
        try:
            checks = verify_proof(self.path)
        except BadInput:
            return False
        return bool(checks) and all(check.ok for check in checks)

    def wrong(self) -> str:
        return "; ".join(f"{check.what}: {check.found}" for check in verify_proof(self.path) if not check.ok)

    def history(self) -> dict[str, Any]:
        return json.loads(self.vault.read(self.said["history"]))

    def forge(self, events: list[dict[str, Any]], *, heads: bool) -> None:
        """Put another event list in the place of the real one, with its digest (and its head) in the proof."""
        said, told = self.said, self.history() | {"events": events}
        if heads:
            told["head"] = said["head"] = head(Event.from_json(event, Kind) for event in events)
            said["events"] = len(events)
            self.say(said)
        self.tell(told)

    def tell(self, told: dict[str, Any]) -> None:
        """Put another file of the event list in the place of the real one."""
        said = self.said
        content = (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()
        kept = self.vault.put(content, "history", "application/json")
        for file in said["files"]:
            if file["sha256"] == said["history"]:
                file |= {
                    "sha256": kept.digest,
                    "bytes": kept.size,
                    "path": os.path.relpath(kept.path, self.path.parent),
                }
        self.say(said | {"history": kept.digest})


@pytest.fixture(scope="module")
def closed_home(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> tuple[Path, str]:
    """A home with a case that was closed under J8, and the name of its proof."""
    world = World(Path(shutil.copytree(migrated, tmp_path_factory.mktemp("closed") / "home")))
    proof = world.proof(world.closed(Decision.AFTER_CHANGE)).name
    world.services.store.close()
    return world.home, proof


@pytest.fixture
def copy(closed_home: tuple[Path, str], tmp_path: Path) -> Copy:
    """The proof and the evidence, somewhere else on the disk, without the store."""
    home, name = closed_home
    for folder in ("proofs", "evidence"):
        shutil.copytree(home / folder, tmp_path / folder)
    return Copy(tmp_path / "proofs" / name, Vault(tmp_path / "evidence"))


def test_an_untouched_proof_holds_wherever_its_folder_is(copy: Copy) -> None:
    assert copy.holds
    assert sorted(copy.said) == sorted(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_a_proof_with_a_changed_or_missing_entry_does_not_hold(copy: Copy, key: str) -> None:
    said = copy.said
    for value in other_values(said[key]):
        copy.say(said | {key: value})
        assert not copy.holds, value
    copy.say({name: value for name, value in said.items() if name != key})
    assert not copy.holds


def other_values(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [value[:-1], [*value, value[0]] if value else [{}], [], None, "all"] if value else [[{}]]
    if isinstance(value, dict):
        return [{**value, name: "something else"} for name in value] + [{}, None]
    if isinstance(value, int):
        return [value + 1, str(value), None]
    return [value + "x", value.upper() + " ", "", None]


def test_a_proof_with_an_entry_more_or_twice_does_not_hold(copy: Copy) -> None:
    said = copy.said
    copy.say(said | {"also": "approved by everybody"})
    assert "differs in also" in copy.wrong()
    text = json.dumps(said)
    copy.path.write_text('{"rule": "J7", ' + text[1:], encoding="utf-8")
    with pytest.raises(BadInput, match="not JSON as Caseproof writes it"):
        verify_proof(copy.path)


def test_every_claim_inside_a_condition_the_run_or_an_approval_is_checked(copy: Copy) -> None:
    said = copy.said
    for name in ("conditions", "approvals", "confirmations"):
        for entry in said[name]:
            for key in list(entry):
                old = entry[key]
                entry[key] = "another"
                copy.say(said)
                assert f"differs in {name}" in copy.wrong(), key
                entry[key] = old
    copy.say(said)
    assert copy.holds


@pytest.mark.parametrize("how", ["missing", "changed", "cut", "longer", "a folder"])
def test_a_proof_with_a_spoilt_file_does_not_hold_and_says_which(copy: Copy, how: str) -> None:
    for file in copy.said["files"]:
        path = copy.path.parent / file["path"]
        content = path.read_bytes()
        path.unlink()
        if how == "a folder":
            path.mkdir()
        elif how != "missing":
            path.write_bytes({"changed": b"x" + content[1:], "cut": content[:-1], "longer": content + b" "}[how])
        assert not copy.holds
        assert f"file {file['name']}" in copy.wrong()
        if how == "a folder":
            path.rmdir()
        path.write_bytes(content)
    assert copy.holds


@pytest.mark.parametrize("how", ["a device", "a pipe", "300 GB", "300 GB and said so", "a link", "a link to a device"])
def test_a_file_that_never_ends_is_not_read(copy: Copy, how: str) -> None:
    said = copy.said
    path = copy.path.parent / said["files"][0]["path"]
    content = path.read_bytes()
    path.unlink()
    if how == "a pipe":
        os.mkfifo(path)
    elif how.startswith("300 GB"):
        with path.open("wb") as file:
            file.truncate(300 * 1024**3)
        said["files"][0]["bytes"] = 300 * 1024**3 if how.endswith("so") else len(content)
    elif how == "a link":
        path.with_name("beside").write_bytes(content)
        path.symlink_to("beside")
    else:
        path.symlink_to("/dev/zero")
    copy.say(said)
    began = time.process_time()
    assert f"file {said['files'][0]['name']}: cannot be read" in copy.wrong() or "bytes" in copy.wrong()
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/etc/passwd", "../../secret", "{path}/../../../secret", "a\0b", "", "."]
)
def test_a_proof_opens_no_file_but_evidence(copy: Copy, path: str) -> None:
    """Else it could ask for the size and the digest of whatever file the one who checks it may read."""
    (copy.path.parents[2] / "secret").write_text("hunter2")
    (copy.path.parents[1] / "secret").write_text("hunter2")
    said = copy.said
    said["files"][0]["path"] = path.format(path=said["files"][0]["path"])
    copy.say(said)
    assert "does not lead to an evidence file" in copy.wrong()


def levels(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document, the outermost first."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from levels(inner)


def test_one_key_too_many_at_any_level_of_a_proof_or_of_its_events_is_an_error(copy: Copy) -> None:
    said, told = copy.said, copy.history()
    for key in ("also", "", "\x1b[31m", "\u202e", "caseproof_proof ", "control"):
        for number in range(len(list(levels(said)))) if key == "also" else (0, 3, 7):
            spoilt = copy.said
            list(levels(spoilt))[number][key] = "approved by everybody"
            copy.say(spoilt)
            assert not copy.holds, (key, number)
            assert "\x1b" not in copy.wrong()
    for number in range(len(list(levels(told)))):
        copy.say(said)
        spoilt = json.loads(json.dumps(told))
        list(levels(spoilt))[number]["also"] = "approved by everybody"
        copy.tell(spoilt)
        assert not copy.holds, number
    copy.say(said)
    assert copy.holds


def test_an_event_that_says_more_than_such_events_say_is_an_error_even_with_a_head_of_its_own(copy: Copy) -> None:
    events = copy.history()["events"]
    events[-2]["data"]["also"] = "approved by everybody"
    copy.forge(events, heads=True)
    assert "no event says" in copy.wrong()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"opening": 1,', '"opening": true,'), ('"opening": 1,', '"opening": 1.0,'),
        ('"opening": 1,', '"opening":  1,'),
        ('"opening": 1,', '"opening": 1, "opening": 1,'), ('"opening": 1,', '"opening": NaN,'),
        ('"opening": 1,', f'"opening": {"1" * 5000},'), ('"opening": 1,', '"opening": 1e999,'),
        ('"case"', '"c\\u0061se"'),
        ('"opening": 1,', f'"opening": {"[" * 5000}{"]" * 5000},'), ('{\n', '\ufeff{\n'), ('{\n', '{\n\n'),
        ('"caseproof_proof": 1', '"caseproof_proof": true'), ('"caseproof_proof": 1', '"caseproof_proof": 1.0'),
        ('"name": "', '"name": "\\ud800'), ('"bytes": ', '"bytes": -'), ('"media_type": "', '"media_type": 1, "x": "'),
    ],
)  # fmt: skip
def test_a_proof_that_is_written_in_another_way_is_not_the_one_we_wrote(copy: Copy, old: str, new: str) -> None:
    text = copy.path.read_text(encoding="utf-8")
    assert old in text
    copy.path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert not copy.holds


def test_a_proof_that_names_a_file_twice_or_thousands_of_files_is_not_followed(copy: Copy) -> None:
    said = copy.said
    for files in ([*said["files"], said["files"][0]], said["files"] * 5000, {"0": said["files"][0]}, "all", [["x"]]):
        copy.say(said | {"files": files})
        assert "not well-formed" in copy.wrong()


@pytest.mark.parametrize("heads", [False, True], ids=["with the old head", "with a head of its own"])
def test_a_shortened_event_list_does_not_hold(copy: Copy, heads: bool) -> None:
    said, events = copy.said, copy.history()["events"]
    for number in range(len(events)):
        copy.say(said)
        copy.forge(events[:number] + events[number + 1 :], heads=heads)
        assert not copy.holds, events[number]["kind"]


@pytest.mark.parametrize("heads", [False, True], ids=["with the old head", "with a head of its own"])
def test_an_event_with_other_data_does_not_hold(copy: Copy, heads: bool) -> None:
    """With a head of its own only what the proof tells can be found out: that is all that a file alone can show."""
    said, events = copy.said, copy.history()["events"]
    told = {
        "opened": "job_name", "decided": "decision", "run_verified": "said", "confirmation_received": "sender",
        "photographed": "evidence", "looked_again": "failed", "attached": "evidence", "stopped": "evidence",
    }  # fmt: skip
    for number, event in enumerate(events):
        if event["kind"] not in told and heads:
            continue
        name = told.get(event["kind"]) or next(iter(event["data"]))
        copy.say(said)
        other = {**event, "data": event["data"] | {name: "forged"}}
        copy.forge([*events[:number], other, *events[number + 1 :]], heads=heads)
        assert not copy.holds, event["kind"]


def test_the_proof_of_one_case_cannot_be_passed_off_as_another_s(copy: Copy, make_world: Callable[..., World]) -> None:
    said = copy.said
    copy.say(said | {"case": "JF-000002"})
    assert "whose event list: of JF-000001" in copy.wrong()
    other = make_world()
    other.platform.add("offers/feed-b")
    other.open("offers/feed-b")
    ref = other.open()
    other.decision = Decision.AFTER_CHANGE
    assert other.walk(ref).is_closed
    theirs = json.loads(other.proof(ref).read_text(encoding="utf-8"))
    for name in ("head", "history"):
        copy.say(said | {name: theirs[name]})
        assert not copy.holds


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", "not JSON", "[" * 100_000, '{"caseproof_proof": 2}', "\ud800", "{\x00"]
)
def test_what_is_no_proof_is_refused_with_the_next_action(copy: Copy, text: str) -> None:
    copy.path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadInput) as refusal:
        verify_proof(copy.path)
    assert refusal.value.next_action


def test_a_proof_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            verify_proof(path)
