"""Who can log in, by which links, and which log-ins are under way: on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from caseproof.domain.errors import BadInput

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
A, B, C = "a" * 64, "b" * 64, "c" * 64


def test_a_login_is_found_by_its_name_and_its_address_however_they_are_written(store: Any) -> None:
    with store.uow() as uow:
        made = uow.logins.ensure("Team  Lead", "Lead@example.com", NOW)
        assert uow.logins.ensure("team lead", "", NOW + HOUR) == made, "once more leaves what is there"
        assert (uow.logins.named("TEAM LEAD"), uow.logins.with_email("lead@EXAMPLE.com")) == (made, made)
        assert (made.name, made.email, made.password) == ("Team Lead", "Lead@example.com", "")
        for none in ("", "lead", "team\0lead", "\ud800", "team lead' --", "x" * 100_000):
            assert uow.logins.named(none) is None
            assert uow.logins.with_email(none) is None
        with pytest.raises(BadInput, match="is the address of Team Lead already"):
            uow.logins.ensure("operator", "lead@example.com", NOW)
        uow.commit()


def test_a_link_holds_until_its_time_until_it_is_spent_and_until_a_newer_one(store: Any) -> None:
    with store.uow() as uow:
        login, other = uow.logins.ensure("operator", "", NOW), uow.logins.ensure("team lead", "", NOW)
        for one, digest in ((login, A), (other, B), (login, C)):
            uow.logins.offer(one, digest, NOW + HOUR)
        assert [uow.logins.offered(digest, NOW) for digest in (A, B, C)] == [None, other, login]
        assert uow.logins.offered(C, NOW + HOUR) is None
        assert [uow.logins.spend(C), uow.logins.spend(C), uow.logins.spend(A)] == [True, False, False]


def test_who_is_removed_leaves_no_link_and_no_log_in(store: Any) -> None:
    with store.uow() as uow:
        login, other = uow.logins.ensure("operator", "", NOW), uow.logins.ensure("team lead", "", NOW)
        uow.logins.begin(login, A, "password", NOW)
        uow.logins.begin(other, B, "link", NOW)
        uow.logins.offer(login, C, NOW + HOUR)
        uow.logins.seen(B, NOW + HOUR)
        found = uow.logins.session(B)
        assert (found.login, found.way, found.made_at, found.seen_at) == (other, "link", NOW, NOW + HOUR)
        uow.logins.remove(login)
        assert [uow.logins.session(A), uow.logins.offered(C, NOW), uow.logins.named("operator")] == [None] * 3
        uow.logins.forget(NOW - HOUR, NOW + HOUR, NOW)
        assert uow.logins.session(B) is not None
        uow.logins.forget(NOW - HOUR, NOW + 2 * HOUR, NOW)
        assert (uow.logins.session(B), uow.logins.all()) == (None, [other])
