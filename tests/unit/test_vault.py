"""The vault: what is put in comes out unchanged, or it says so."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.domain.errors import BadInput
from caseproof.evidence.vault import EvidenceDamaged, EvidenceMissing, Vault, VaultError, VaultFull

ABSENT = "0" * 64


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "evidence")


@given(content=st.binary(max_size=5000))
def test_what_is_put_in_comes_out_the_same(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    vault = Vault(tmp_path_factory.mktemp("any"))
    evidence = vault.put(content, "shot.png", "image/png")
    assert vault.read(evidence.digest) == content
    assert evidence.digest == hashlib.sha256(content).hexdigest()
    assert evidence.size == len(content)


def test_a_file_is_named_by_its_digest_in_a_folder_of_its_first_two_digits(vault: Vault) -> None:
    evidence = vault.put(b"abc", "shot.png", "image/png")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert evidence.path == vault.folder / "ba" / digest
    assert (evidence.digest, evidence.name, evidence.media_type) == (digest, "shot.png", "image/png")
    assert files_in(vault.folder) == [evidence.path]


def test_the_same_content_is_stored_once_whatever_it_is_called(vault: Vault) -> None:
    first = vault.put(b"same", "one.png", "image/png")
    written = first.path.stat().st_mtime_ns, first.path.stat().st_ino
    second = vault.put(b"same", "two.png", "image/png")
    assert second.digest == first.digest
    assert second.name == "two.png"
    assert (first.path.stat().st_mtime_ns, first.path.stat().st_ino) == written
    assert len(files_in(vault.folder)) == 1


def test_a_file_larger_than_one_chunk_is_stored_whole(vault: Vault) -> None:
    content = bytes(range(256)) * 10_000
    assert vault.read(vault.put(content, "log.txt", "text/plain").digest) == content


def test_a_changed_file_is_found_when_it_is_read(vault: Vault) -> None:
    evidence = vault.put(b"the truth", "shot.png", "image/png")
    evidence.path.write_bytes(b"the trick")
    assert not vault.has(evidence.digest)
    with pytest.raises(EvidenceDamaged, match="changed after it was stored"):
        vault.read(evidence.digest)


@pytest.mark.parametrize("damage", [b"", b"the trut", b"the truth and more"])
def test_putting_the_content_again_repairs_a_damaged_file(vault: Vault, damage: bytes) -> None:
    evidence = vault.put(b"the truth", "shot.png", "image/png")
    evidence.path.write_bytes(damage)
    vault.put(b"the truth", "shot.png", "image/png")
    assert vault.read(evidence.digest) == b"the truth"
    assert files_in(vault.folder) == [evidence.path]


def test_a_file_that_was_never_stored_is_missing(vault: Vault) -> None:
    assert not vault.has(ABSENT)
    with pytest.raises(EvidenceMissing, match="backup"):
        vault.read(ABSENT)


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "../../../../etc/passwd",
        "/etc/passwd",
        ABSENT.replace("0", "A"),
        ABSENT[:-1],
        ABSENT + "0",
        ABSENT + "\n",
        "\N{ARABIC-INDIC DIGIT ZERO}" * 64,
        "..%2f" + "0" * 59,
        "../" + "0" * 61,
    ],
)
def test_what_is_not_a_digest_is_refused_before_the_disk_is_touched(vault: Vault, digest: str) -> None:
    for ask in (vault.read, vault.has, vault.path):
        with pytest.raises(BadInput, match="does not name an evidence file"):
            ask(digest)
    assert not vault.folder.exists()


@given(digest=st.text())
def test_no_text_whatever_leads_out_of_the_vault(digest: str) -> None:
    vault = Vault(Path("evidence"))
    try:
        path = vault.path(digest)
    except BadInput:
        return
    assert path.parent.parent == vault.folder


FILL_THE_DISK = """
import resource, signal, sys
from pathlib import Path
from caseproof.evidence.vault import Vault, VaultFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the kernel then answers EFBIG instead of ending the process
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
vault = Vault(Path(sys.argv[1]))
kept = vault.put(b"small", "small.txt", "text/plain")
try:
    vault.put(b"x" * 3_000_000, "large.png", "image/png")
except VaultFull as error:
    print(error)
assert vault.read(kept.digest) == b"small"
"""


def test_where_the_system_refuses_to_write_more_nothing_is_left_behind(vault: Vault) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(vault.folder)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "no room for the evidence file" in done.stdout
    assert "Free disk space" in done.stdout
    assert [path.read_bytes() for path in files_in(vault.folder)] == [b"small"]


def test_a_folder_that_cannot_be_made_is_told_with_the_next_action(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("a file, not a folder")
    vault = Vault(tmp_path / "in the way" / "evidence")
    with pytest.raises(VaultError, match="Make the folder readable and writable") as refused:
        vault.put(b"content", "shot.png", "image/png")
    assert not isinstance(refused.value, VaultFull)


@pytest.mark.parametrize("how", ["a pipe", "a device", "a link", "300 GB"])
def test_what_is_no_plain_file_in_a_file_s_place_is_not_read_and_replaced_by_the_file(vault: Vault, how: str) -> None:
    place = vault.path(hashlib.sha256(b"content").hexdigest())
    place.parent.mkdir(parents=True)
    if how == "a pipe":
        os.mkfifo(place)
    elif how == "300 GB":
        with place.open("wb") as file:
            file.truncate(300 * 1024**3)
    else:
        place.symlink_to("/dev/zero" if how == "a device" else "elsewhere")
        place.with_name("elsewhere").write_bytes(b"content")
    with pytest.raises(VaultError, match="cannot be used"):
        vault.read(place.name)
    with pytest.raises(VaultError, match="cannot be used"):
        vault.has(place.name)
    assert vault.put(b"content", "shot.png", "image/png").path.read_bytes() == b"content"
    assert vault.read(place.name) == b"content"


def test_a_folder_in_a_file_s_place_is_told_and_leaves_no_temporary_file(vault: Vault) -> None:
    place = vault.path(hashlib.sha256(b"content").hexdigest())
    place.mkdir(parents=True)
    with pytest.raises(VaultError, match="cannot be used"):
        vault.put(b"content", "shot.png", "image/png")
    with pytest.raises(VaultError, match="cannot be used"):
        vault.has(place.name)
    with pytest.raises(VaultError, match="cannot be used"):
        vault.read(place.name)
    assert files_in(vault.folder) == []
