"""What a Prefect server's pages call is read before a picture of them is needed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from caseproof.platforms.base import PlatformDown, PlatformRefused
from caseproof.platforms.prefect import PrefectJobsClient
from caseproof.platforms.prefect_pages import look_at_pages

UI, API = "http://127.0.0.1:4300", "http://127.0.0.1:4300/api"


def server(told: Any, status: int = 200, answers: tuple[str, ...] = ()) -> httpx.MockTransport:
    """A server that says this of its pages; ``answers``: the other addresses where something is well."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/ui-settings"):
            return httpx.Response(status, json=told)
        address = str(request.url).removesuffix("/health")
        if address in answers:
            return httpx.Response(200, json=True)
        raise httpx.ConnectError("nobody is there", request=request)

    return httpx.MockTransport(handle)


def calls(api_url: str | None, **more: Any) -> httpx.MockTransport:
    return server({"api_url": api_url, "default_ui": "v1"}, **more)


def test_a_foreign_server_on_another_port_whose_pages_call_port_4200_is_told_with_the_variable() -> None:
    """Also where something answers at port 4200: that is another server, ours perhaps, with other runs."""
    for answers in ((), ("http://127.0.0.1:4200/api",)):
        with pytest.raises(PlatformRefused, match=r"call http://127\.0\.0\.1:4200/api, and not") as told:
            look_at_pages(UI, API, calls("http://127.0.0.1:4200/api", answers=answers))
        assert f"PREFECT_SERVER_UI_API_URL={UI}/api" in told.value.next_action


def test_what_a_browser_elsewhere_would_look_for_on_its_own_machine_is_told() -> None:
    with pytest.raises(PlatformRefused, match="localhost:4200") as told:
        look_at_pages(
            "https://prefect.example.com", "https://prefect.example.com/api",
            calls("http://localhost:4200/api", answers=("http://localhost:4200/api",)),
        )  # fmt: skip
    assert "PREFECT_SERVER_UI_API_URL=https://prefect.example.com/api" in told.value.next_action


@pytest.mark.parametrize("called", [API, "http://localhost:4300/api", "/api", f"{API}/", "http://[::1]:4300/api"])
def test_pages_that_call_their_own_server_are_well_whatever_it_is_called(called: str) -> None:
    assert "opens the older interface, and its pages call" in look_at_pages(UI, API, calls(called))


def test_pages_may_call_the_api_or_themselves_where_these_have_two_addresses() -> None:
    outside, inside = "https://prefect.example.com", "http://prefect:4200/api"
    for called in (f"{outside}/api", inside):
        look_at_pages(outside, inside, calls(called))
    third = "https://api.example.com/api"
    assert "which answers" in look_at_pages(outside, inside, calls(third, answers=(third,)))
    with pytest.raises(PlatformRefused, match=r"api\.example\.com"):
        look_at_pages(outside, inside, calls(third))


@pytest.mark.parametrize("told", [server({}, 404), server([]), server({"default_ui": "v2"}), calls(None), calls("")])
def test_a_server_that_does_not_say_what_its_pages_call_is_not_blamed(told: httpx.MockTransport) -> None:
    assert "does not say which API" in look_at_pages(UI, API, told)


@pytest.mark.parametrize("called", ["http://[::1", "http://a:b/api", "javascript:alert(1)", "no address"])
def test_what_is_no_address_is_told_as_another_one(called: str) -> None:
    with pytest.raises(PlatformRefused, match="PREFECT_SERVER_UI_API_URL"):
        look_at_pages(UI, API, calls(called))


def test_pages_that_do_not_answer_are_told() -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(PlatformDown, match="do not answer") as told:
        look_at_pages(UI, API, httpx.MockTransport(nobody))
    assert "UI address" in told.value.next_action


def test_the_client_of_a_platform_looks_at_its_own_pages() -> None:
    with (
        PrefectJobsClient(API, UI, transport=calls("http://127.0.0.1:4200/api")) as client,
        pytest.raises(PlatformRefused, match="4200"),
    ):
        client.probe_pages()
