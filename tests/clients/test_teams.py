"""Cards to Teams against web hooks that keep state: the address letter by letter, and a Teams that fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from caseproof.channels.provider import ChannelDown, ChannelRefused
from caseproof.channels.teams.card import Card
from caseproof.channels.teams.webhook import TeamsHook, TeamsWebhook
from caseproof.domain.errors import BadInput
from caseproof.up.processes import free_port
from sandbox.provider import Bad, Kind, running
from sandbox.teams import PATH, QUERY, Teams
from tests.support.lost_answers import LOST

CARD = Card("Emergency", "The store is down", facts=[("Case", "SC-000123")])


@pytest.fixture
def teams() -> Iterator[tuple[Teams, str]]:
    with running(Teams()) as (teams, url):
        yield teams, f"{url}{PATH}?{QUERY}"


def webhook(url: str, waits: list[float] | None = None, seconds: float = 30) -> TeamsWebhook:
    return TeamsWebhook(
        TeamsHook("support", url, read_seconds=seconds), sleep=(waits if waits is not None else []).append
    )


def test_a_card_arrives_and_the_address_with_its_signature_is_sent_letter_by_letter(teams: tuple[Teams, str]) -> None:
    sees, url = teams
    webhook(url).post(CARD)
    assert sees.asked[0].raw_query == QUERY
    assert "The store is down" in sees.words()


@pytest.mark.parametrize("kind", ["too many", "broken", "hang", "drop"])
def test_a_card_that_teams_may_not_have_posted_is_handed_over_again(teams: tuple[Teams, str], kind: Kind) -> None:
    sees, url = teams
    sees.bad = [Bad(kind, times=2, value=1 if kind == "too many" else 30)]
    waits: list[float] = []
    webhook(url, waits, seconds=LOST.get(kind, 30)).post(CARD)
    assert len(sees.asked) == 3
    assert len(sees.cards) == (3 if kind == "drop" else 1)
    assert waits == ([1, 1] if kind == "too many" else [0.5, 1])


def test_a_teams_that_wants_to_be_left_alone_for_long_is_given_up_at_once(teams: tuple[Teams, str]) -> None:
    sees, url = teams
    sees.bad = [Bad("too many", value=60)]
    with pytest.raises(ChannelDown) as down:
        webhook(url).post(CARD)
    assert (len(sees.asked), down.value.wait_seconds, down.value.maybe_done) == (1, 60, False)


def test_202_and_nothing_raises_nothing_which_is_why_it_never_counts_as_seen(teams: tuple[Teams, str]) -> None:
    sees, url = teams
    sees.bad = [Bad("nothing")]
    assert webhook(url).post(CARD) is None  # type: ignore[func-returns-value]
    assert sees.cards == []


@pytest.mark.parametrize("change", [("~1", "~2"), ("made_up", "other"), (PATH, PATH + "s")])
def test_a_wrong_address_is_said_without_the_address(
    teams: tuple[Teams, str], change: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sees, url = teams
    with pytest.raises(ChannelRefused) as refused:
        webhook(url.replace(*change)).post(CARD)
    assert len(sees.asked) == 1
    for text in (str(refused.value), repr(refused.value.__cause__), caplog.text):
        assert [part for part in ("sig=", "made_up", "0f1e2d") if part in text] == []
    assert f'{url.partition("/powerautomate")[0]} "HTTP/1.1 4' in caplog.text  # the library's own line of the call


def test_a_teams_that_cannot_be_reached_is_said_without_the_address() -> None:
    with pytest.raises(ChannelDown) as down:
        webhook(f"http://127.0.0.1:{free_port()}{PATH}?{QUERY}").post(CARD)
    assert "cannot be reached" in down.value.problem
    assert "sig" not in str(down.value)


@pytest.mark.parametrize(
    "url",
    [
        "", "https://", "https://example.com", "http://example.com/hook?sig=1", "ftp://example.com/x",
        "https://user:password@example.com/x", "https://example.com/x y", "https://example.com/x\n",
        "https://example.com:port/x", "https://[::x]/y", "https://example.com/x#part",
    ],
)  # fmt: skip
def test_an_address_that_is_none_or_goes_over_an_open_connection_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        TeamsHook("support", url)
    assert "example.com" not in str(refused.value)


def test_the_address_shows_nowhere() -> None:
    hook = TeamsHook("support", "https://example.com/workflows/1?sig=hidden")
    assert "sig" not in f"{hook}{hook!r}"
