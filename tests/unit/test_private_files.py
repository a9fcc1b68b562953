"""The home's files are its owner's alone, whatever was there before; where they cannot be, that is said."""

import os
import stat
from pathlib import Path

import pytest

from caseproof.config import private_files
from caseproof.config.private_files import NotPrivate, be_private, close_home, looseness, open_file, open_way
from caseproof.config.settings import Settings
from caseproof.doctor.examination import Failed
from caseproof.doctor.machine import private_files as examined

is_root = os.geteuid() == 0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home as somebody made it by hand, under a lax umask."""
    folder = tmp_path / "home"
    for inside in (folder, folder / "evidence", folder / "evidence" / "ab"):
        inside.mkdir()
        inside.chmod(0o777)
    for name, mode in (("caseproof.sqlite", 0o644), ("evidence/ab/letter", 0o666), ("policy.yaml", 0o664)):
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
    return folder


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")] if not path.is_symlink()}


def test_whatever_was_there_before_nobody_else_can_read_or_change_it_afterwards(home: Path) -> None:
    assert len(looseness(home)) == 6
    close_home(home)
    assert modes(home) == {0o700, 0o600}
    assert looseness(home) == []


def test_a_program_stays_one_its_owner_may_start_and_a_file_that_may_not_be_written_stays_so(home: Path) -> None:
    (home / "program").touch(mode=0o755)
    (home / "kept").touch()
    (home / "kept").chmod(0o444)
    close_home(home)
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in ("program", "kept")} == {0o700, 0o400}


def test_what_a_link_in_the_home_leads_to_is_left_alone(home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    outside.chmod(0o644)
    (home / "link").symlink_to(outside)
    (home / "dangling").symlink_to(tmp_path / "nothing")
    close_home(home)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_prefects_own_pages_are_nobodys_secret_and_may_be_read(home: Path) -> None:
    pages = home / "prefect" / "ui" / "v1"
    pages.mkdir(parents=True)
    close_home(home)
    pages.chmod(0o755)
    assert looseness(home) == []
    (home / "prefect" / "prefect.db").touch(mode=0o644)
    (home / "prefect" / "prefect.db").chmod(0o644)
    assert [one.path.name for one in looseness(home)] == ["prefect.db"]


def test_a_folder_elsewhere_that_a_link_stands_for_is_named_and_not_closed_by_us(home: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    (home / "proofs").symlink_to(shared)
    with pytest.raises(NotPrivate, match=r"shared is open to others \(0755\)"):
        close_home(home)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    shared.chmod(0o700)
    close_home(home)


def test_a_home_that_is_a_link_itself_is_closed_where_it_is(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    close_home(Settings(home=tmp_path / "link").home_folder)
    assert modes(home) == {0o700, 0o600}


def test_a_disk_that_keeps_no_permissions_is_refused_with_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a disk says yes to each change, and changes nothing."""
    monkeypatch.setattr(private_files, "_close", lambda *_: None)
    with pytest.raises(NotPrivate, match=r"home is open to others \(0777\); .*; and 1 more") as refused:
        close_home(home)
    assert "a disk that keeps permissions" in refused.value.next_action


@pytest.mark.skipif(not is_root, reason="only root gives files away")
def test_a_file_that_belongs_to_another_user_is_refused(home: Path) -> None:
    os.chown(home / "evidence", 12345, -1)
    with pytest.raises(NotPrivate, match=r"evidence belongs to another user \(number 12345\)\."):
        close_home(home)


@pytest.mark.skipif(not is_root, reason="only root gives files away")
def test_the_data_of_the_postgresql_that_does_not_run_as_root_are_another_users_and_private_all_the_same(
    home: Path,
) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    os.chown(data, 12345, -1)
    close_home(home)
    data.chmod(0o750)
    assert [one.path for one in looseness(home)] == [data]


def test_what_is_made_later_is_private_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        be_private()
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file").touch()
        assert modes(tmp_path / "folder") == {0o700, 0o600}
    finally:
        os.umask(before)


def test_a_folder_above_in_which_anybody_may_put_another_home_in_its_place_is_named(home: Path) -> None:
    assert open_way(home) == []  # whatever /tmp is: it has the sticky bit
    home.parent.chmod(0o777)
    assert [one.path for one in open_way(home)] == [home.parent]
    home.parent.chmod(0o1777)
    assert open_way(home) == []


def test_the_doctor_names_a_store_elsewhere_that_others_read_and_a_policy_that_others_write(
    home: Path, tmp_path: Path
) -> None:
    close_home(home)
    store, policy = tmp_path / "store.sqlite", tmp_path / "policy.yaml"
    for path, mode in ((store, 0o640), (policy, 0o664)):
        path.touch()
        path.chmod(mode)
    settings = Settings.model_validate({"home": home, "database_url": f"sqlite:///{store}", "policy": policy})
    with pytest.raises(
        Failed, match=r"policy.yaml is open to others \(0664\); .*store.sqlite is open to others"
    ) as told:
        examined(settings)
    assert "chmod -R go= FOLDER" in told.value.next_action
    store.chmod(0o600)
    policy.chmod(0o644)  # everybody may know who is on the team
    assert examined(settings) == f"{home} is its owner's alone"
    assert open_file(tmp_path / "none", secret=True) == []
