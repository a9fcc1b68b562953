"""Logging in: by a link, a password or a proxy's word; what ends it, and what lets nobody in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from caseproof.config.settings import Settings
from caseproof.domain.errors import BadInput
from caseproof.procedure.core.logins import IDLE, LINK_HOLDS, LONGEST, NotLetIn, TeamLogins
from caseproof.web import create_app
from caseproof.web.serving import _behind_proxies
from caseproof.web.who import PEER
from tests.support.letters import hidden_fields

PUBLIC = "https://ops.example.com"
PASSWORD = "nine tall chimneys"
OTHER = "a wet Tuesday in May"


@pytest.fixture
def office(make_world: Callable[..., Any]) -> Any:
    """An installation that is reached from elsewhere, in which the operator has a login with a password."""
    made = make_world(public=PUBLIC)
    _, link = made.logins.invite("operator", "operator@example.com")
    made.logins.log_out(made.logins.use_link(link, PASSWORD))
    return made


@pytest.fixture
def browser(office: Any) -> TestClient:
    """A browser that keeps cookies, at the public address."""
    return browse(office)


def browse(office: Any, **options: Any) -> TestClient:
    app = create_app(office.services, logins=office.logins, **options)
    return TestClient(app, PUBLIC, raise_server_exceptions=False, follow_redirects=False)


def log_in(browser: TestClient, name: str = "operator", password: str = PASSWORD, **more: Any) -> Any:
    """Open the page, fill in its form and send it."""
    page = browser.get(more.pop("page", "/login"))
    fields = hidden_fields(page.text) | {"name": name, "password": password} | more
    return browser.post("/login", data=fields)


def choose(browser: TestClient, link: str, password: str = PASSWORD, again: str | None = None) -> Any:
    fields = hidden_fields(browser.get(f"/login/link/{link}").text)
    fields |= {"new": password, "again": password if again is None else again}
    return browser.post(f"/login/link/{link}", data=fields)


def is_in(browser: TestClient) -> bool:
    return browser.get("/cases").status_code == 200


# -- by a password -----------------------------------------------------------------------------------------------------


def test_a_password_lets_its_person_in_and_leads_to_the_page_they_wanted(office: Any, browser: TestClient) -> None:
    ref = office.opened()
    answer = log_in(browser, page=f"/login?next=/cases/{ref}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/cases/{ref}")
    page = browser.get(f"/cases/{ref}").text
    assert ref in page
    assert 'href="/account"><bdi>operator</bdi>' in page
    assert browser.get("/login").headers["Location"] == "/account"
    assert browser.get("/health").json()["cases_open"] == 1


def test_the_cookie_is_read_by_no_script_sent_by_no_other_site_and_only_over_tls(browser: TestClient) -> None:
    (cookie,) = [one for one in log_in(browser).headers.get_list("Set-Cookie") if one.startswith("__Host-caseproof=")]
    assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {"httponly", "samesite=lax", "secure", "path=/"}
    assert "domain" not in cookie.lower()


def test_whatever_is_wrong_is_refused_in_the_same_words(office: Any) -> None:
    wrong = (
        ("operator", OTHER), ("operator", ""), ("operator", PASSWORD.upper()), ("operator", PASSWORD + " "),
        ("nobody", PASSWORD), ("team lead", PASSWORD), ("team lead", ""), ("", ""), ("operator\0", PASSWORD),
        ("operator' OR 1=1 --", "x"), ("operator@example.com", PASSWORD), ("operator", "x" * 50_000),
        ("x" * 50_000, "x"), ("\ud800", "\ud800"),
    )  # fmt: skip
    for name, password in wrong:
        browser = browse(office)
        typed = [text.encode("utf-8", "surrogatepass").decode("latin-1") for text in (name, password)]
        answer = log_in(browser, *typed)
        assert answer.status_code == 401, name
        assert "That did not let you in." in answer.text
        assert not is_in(browser)


def test_a_name_that_is_none_costs_as_many_hashes_as_one_that_is(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, because seconds depend on the machine: no name is told from another by how long the answer takes."""
    compared: list[str] = []
    logins = office.logins
    real = type(logins)._verify
    monkeypatch.setattr(
        type(logins), "_verify", lambda me, hashed, word: compared.append(hashed) or real(me, hashed, word)
    )
    office.logins.invite("team lead")
    for name in ("operator", "nobody", "team lead"):
        log_in(browse(office), name, "wrong, all of them")
    assert len(compared) == 3
    assert len({len(hashed) for hashed in compared}) == 1, "and hashes that cost the same"


def test_guessing_ends_after_a_few_tries_by_name_and_by_address(browser: TestClient, office: Any) -> None:
    codes = [log_in(browser, password=f"guess number {number}").status_code for number in range(11)]
    assert codes == [401] * 10 + [429]
    last = log_in(browser)
    assert (last.status_code, int(last.headers["Retry-After"]) > 0) == (429, True), "the right one, too"
    assert log_in(browser, "OPERATOR ").status_code == 429, "however the name is written"
    assert [log_in(browser, f"name {number}").status_code for number in range(10)][-1] == 429
    assert log_in(browse(office)).status_code == 303


def test_only_the_digest_of_what_lets_in_is_kept(office: Any, browser: TestClient) -> None:
    log_in(browser)
    _, link = office.logins.invite("team lead")
    office.services.store.close()
    kept = b"".join(file.read_bytes() for file in office.home.glob("caseproof.sqlite*"))
    for secret in (PASSWORD, link, browser.cookies["__Host-caseproof"]):
        assert secret.encode() not in kept
    assert b"$argon2id$" in kept


# -- forms of others ---------------------------------------------------------------------------------------------------


def test_another_sites_form_logs_nobody_in_under_its_name(office: Any, browser: TestClient) -> None:
    """Else what a person does would be written down under the attacker's name, or seen by the attacker."""
    key = hidden_fields(browse(office).get("/login").text)["key"]  # the attacker's own page gave them one
    browser.get("/login")
    typed = {"name": "operator", "password": PASSWORD, "next": ""}
    for sent in (typed, typed | {"key": key}, typed | {"key": ""}):
        assert browser.post("/login", data=sent).status_code == 403
    fields = hidden_fields(browser.get("/login").text) | typed
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://example.net"},
                    {"Origin": "null"}, {"Origin": "http://ops.example.com:81"}):  # fmt: skip
        assert browser.post("/login", data=fields, headers=headers).status_code == 403, headers
    assert browser.post("/login", json=fields).status_code == 403
    assert not is_in(browser)
    assert (
        browser.post("/login", data=fields, headers={"Origin": PUBLIC, "Sec-Fetch-Site": "same-origin"}).status_code
        == 303
    )


def test_another_sites_form_logs_nobody_out_and_changes_no_password(browser: TestClient) -> None:
    log_in(browser)
    keys = re.findall(r'name="key" value="(\w+)"', browser.get("/account").text)
    assert len(set(keys)) == 2
    for path, key in (
        ("/logout", keys[1]),
        ("/logout", ""),
        ("/account/password", keys[0]),
    ):  # each for its own purpose
        sent = {"key": key, "old": PASSWORD, "new": OTHER, "again": OTHER}
        assert browser.post(path, data=sent).status_code == 403
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.post("/logout", data={"key": keys[0]}, headers=headers).status_code == 403
    assert is_in(browser)


def test_a_log_in_that_somebody_else_put_into_the_browser_becomes_no_way_in(office: Any, browser: TestClient) -> None:
    """Session fixation."""
    planted = "A" * 43
    browser.cookies.set("__Host-caseproof", planted, domain="ops.example.com")
    assert log_in(browser).status_code == 303
    assert browser.cookies["__Host-caseproof"] != planted
    assert office.logins.person(planted) is None
    mine = browser.cookies["__Host-caseproof"]
    choose(browser, office.logins.invite("team lead")[1])
    assert office.logins.person(mine) is None, "and whoever logs in anew leaves no log-in behind"


@pytest.mark.parametrize(
    "after",
    [
        "https://example.net",
        "//example.net",
        "/\\example.net",
        "/logout",
        "/cases\r\nX: y",
        "/?x=\r\nX: y",
        "/logout?x=1",
        "/\\example.net?waits=team",
        "/?next=https://example.net",
        "/?<script>",
    ],
)
def test_a_log_in_leads_to_no_other_site(browser: TestClient, after: str) -> None:
    browser.get("/login", params={"next": after})
    assert after not in browser.get("/login", params={"next": after}).text
    answer = log_in(browser, next=after)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


# -- by a link ---------------------------------------------------------------------------------------------------------


def test_a_link_lets_its_person_choose_a_password_once_and_looking_at_it_uses_nothing_up(office: Any) -> None:
    _, link = office.logins.invite("team lead", "lead@example.com")
    for _ in range(3):  # a preview of the mail, by whom ever
        assert browse(office).get(f"/login/link/{link}").status_code == 200
        assert browse(office).head(f"/login/link/{link}").status_code == 200
    one, two = browse(office), browse(office)
    fields = hidden_fields(two.get(f"/login/link/{link}").text) | {"new": OTHER, "again": OTHER}
    assert choose(one, link).headers["Location"] == "/"
    assert is_in(one)
    assert two.post(f"/login/link/{link}", data=fields).status_code == 410
    assert browse(office).get(f"/login/link/{link}").status_code == 410
    assert log_in(browse(office), "team lead").status_code == 303


def test_a_link_is_void_after_its_time_after_a_newer_one_and_after_the_person_left(office: Any) -> None:
    _, first = office.logins.invite("team lead")
    _, second = office.logins.invite("team lead")
    assert browse(office).get(f"/login/link/{first}").status_code == 410
    assert choose(browse(office), second, "short").status_code == 422
    assert choose(browse(office), second, PASSWORD, again=OTHER).status_code == 422
    assert choose(browse(office), second, "aaaaaaaaaaaaaaaa").status_code == 422
    office.now += LINK_HOLDS
    assert browse(office).get(f"/login/link/{second}").status_code == 410
    _, third = office.logins.invite("team lead")
    office.logins.remove("team lead")
    assert browse(office).get(f"/login/link/{third}").status_code == 410
    for none in ("x", "A" * 43, third.upper(), "%00"):
        assert browse(office).get(f"/login/link/{none}").status_code == 410


def test_a_stranger_at_the_same_address_keeps_nobody_from_using_their_link(office: Any, browser: TestClient) -> None:
    """As behind a proxy that does not say whom it speaks for: then all come from one address."""
    _, link = office.logins.invite("team lead")
    for number in range(21):
        told = browser.post("/login", data={"name": f"name {number}", "password": "x"})
    assert told.status_code == 429
    codes = {browser.post("/login/link/none", data={"new": "x"}).status_code for _ in range(21)}
    codes |= {browser.get("/login/link/none").status_code for _ in range(120)}
    assert codes == {410, 429}, "guessing links ends, too"
    for number in range(20):
        assert choose(browser, link, f"short {number}"[:9]).status_code == 422
    assert choose(browser, link).status_code == 429, "and so does trying with a link that holds"
    _, other = office.logins.invite("operator")
    assert choose(browser, other).status_code == 303


def test_a_link_that_another_site_sends_is_refused_and_still_holds(office: Any, browser: TestClient) -> None:
    _, link = office.logins.invite("team lead")
    sent = {"new": OTHER, "again": OTHER, "key": "x"}
    assert browser.post(f"/login/link/{link}", data=sent).status_code == 403
    assert choose(browser, link).status_code == 303


def test_who_is_not_on_the_team_gets_no_link(office: Any) -> None:
    with pytest.raises(BadInput, match="is not on the team"):
        office.logins.invite("stranger", "stranger@example.net")
    with pytest.raises(BadInput, match="is the address of operator"):
        office.logins.invite("team lead", "Operator@Example.com")


# -- what ends it ------------------------------------------------------------------------------------------------------


def log_out(browser: TestClient) -> Any:
    keys = re.findall(
        r'action="/logout">\s*<input type="hidden" name="key" value="(\w+)"', browser.get("/account").text
    )
    return browser.post("/logout", data={"key": keys[0]})


def test_after_a_log_out_nobody_gets_in_with_the_old_cookie(browser: TestClient) -> None:
    log_in(browser)
    token = browser.cookies["__Host-caseproof"]
    answer = log_out(browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert "__Host-caseproof" not in browser.cookies
    browser.cookies.set("__Host-caseproof", token, domain="ops.example.com")
    assert not is_in(browser)


def test_a_log_in_ends_when_nobody_uses_it_and_in_any_case_after_a_week(office: Any, browser: TestClient) -> None:
    log_in(browser)
    office.now += IDLE - timedelta(minutes=5)
    assert is_in(browser)
    office.now += IDLE - timedelta(minutes=5)
    assert is_in(browser), "it was used in between"
    office.now += IDLE
    assert not is_in(browser)
    log_in(browser)
    began = office.now
    while office.now - began < LONGEST - timedelta(hours=7):
        assert is_in(browser)
        office.now += timedelta(hours=6)
    office.now = began + LONGEST
    assert not is_in(browser), "however busily it was used"


def test_who_is_removed_is_out_at_once(office: Any, browser: TestClient) -> None:
    log_in(browser)
    office.logins.remove("operator")
    assert not is_in(browser)
    assert log_in(browser).status_code == 401


def test_who_is_taken_off_the_policys_team_is_nobody_from_that_moment(office: Any, browser: TestClient) -> None:
    log_in(browser)
    policy = office.home / "policy.yaml"
    policy.write_text("team: [team lead, deputy]\n")
    assert not is_in(browser)
    assert log_in(browser).status_code == 401
    policy.write_text("team: [Operator, team lead]\n")
    assert is_in(browser), "and is somebody again with it"
    policy.write_text("team: [")  # nobody gets in or out by a typing error
    assert is_in(browser)


def test_another_password_ends_all_other_log_ins(office: Any, browser: TestClient) -> None:
    elsewhere = browse(office)
    log_in(elsewhere)
    log_in(browser)

    def change(old: str, new: str) -> Any:
        form = browser.get("/account").text.partition("/account/password")[2]
        key = re.findall(r'name="key" value="(\w+)"', form)[0]
        return browser.post("/account/password", data={"key": key, "old": old, "new": new, "again": new})

    assert change(OTHER, OTHER).status_code == 401
    assert change(PASSWORD, "short").status_code == 422
    assert is_in(elsewhere)
    assert change(PASSWORD, OTHER).status_code == 303
    assert is_in(browser)
    assert not is_in(elsewhere)
    assert log_in(elsewhere).status_code == 401
    assert log_in(elsewhere, password=OTHER).status_code == 303


def test_a_lost_password_is_replaced_by_a_new_link_and_everybody_with_the_old_one_is_out(office: Any) -> None:
    thief = browse(office)
    log_in(thief)
    choose(browse(office), office.logins.invite("operator")[1], OTHER)
    assert not is_in(thief)
    assert log_in(thief).status_code == 401


class Meanwhile(PasswordHasher):
    """Hashes at once; while it is asked, somebody else does something, once."""

    def __init__(self, then: Callable[[], Any], *, at: str, **strength: int) -> None:
        super().__init__(**{"time_cost": 1, "memory_cost": 8, "parallelism": 1} | strength)
        self.then, self.at = [then], at

    def verify(self, hash: Any, password: Any) -> Any:
        right = super().verify(hash, password)
        self._meanwhile("verify")
        return right

    def check_needs_rehash(self, hash: Any) -> bool:
        needed = super().check_needs_rehash(hash)
        self._meanwhile("check_needs_rehash")
        return needed

    def _meanwhile(self, at: str) -> None:
        if at == self.at and self.then:
            self.then.pop()()


def by_a_link(logins: TeamLogins) -> None:
    logins.use_link(logins.invite("operator")[1], OTHER)


def by_the_old_one(logins: TeamLogins) -> None:
    logins.change_password("operator", PASSWORD, OTHER, way="password")


def by_removing_it(logins: TeamLogins) -> None:
    logins.remove("operator")
    logins.use_link(logins.invite("operator")[1], OTHER)


@pytest.mark.parametrize("change", [by_a_link, by_the_old_one, by_removing_it])
@pytest.mark.parametrize("at", ["verify", "check_needs_rehash"])
@pytest.mark.parametrize("strength", [{}, {"time_cost": 2}])
def test_a_password_that_is_replaced_while_it_is_checked_lets_nobody_in_and_stays_replaced(
    office: Any, change: Callable[[TeamLogins], None], at: str, strength: dict[str, int]
) -> None:
    hasher = Meanwhile(lambda: change(office.logins), at=at, **strength)
    with pytest.raises(NotLetIn):
        replace(office.logins, hasher=hasher).by_password("operator", PASSWORD)
    assert hasher.then == []
    with pytest.raises(NotLetIn):
        office.logins.by_password("operator", PASSWORD)
    assert office.logins.person(office.logins.by_password("operator", OTHER)) is not None


def test_of_two_who_change_a_password_at_once_the_second_is_refused(office: Any) -> None:
    hasher = Meanwhile(lambda: by_the_old_one(office.logins), at="verify")
    with pytest.raises(NotLetIn):
        by_the_old_one(replace(office.logins, hasher=hasher))
    assert office.logins.by_password("operator", OTHER)


def test_a_hash_that_is_weaker_than_todays_is_made_anew_at_the_next_log_in(office: Any) -> None:
    [before] = office.logins.everybody()
    stronger = replace(office.logins, hasher=PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    assert office.logins.person(stronger.by_password("operator", PASSWORD)) is not None
    [after] = office.logins.everybody()
    assert before.password != after.password
    assert office.logins.by_password("operator", PASSWORD)


def test_another_password_voids_the_link_that_waits(office: Any) -> None:
    _, link = office.logins.invite("operator")
    by_the_old_one(office.logins)
    assert browse(office).get(f"/login/link/{link}").status_code == 410
    assert office.logins.by_password("operator", OTHER)


# -- by a proxy --------------------------------------------------------------------------------------------------------


@pytest.fixture
def behind(office: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Asks for the cases, as who stands at this address and sends this."""
    monkeypatch.setenv("CASEPROOF_PROXY_LOGIN_HEADER", "X-Forwarded-User")
    monkeypatch.setenv("CASEPROOF_PROXY_ADDRESSES", "192.0.2.10, 198.51.100.0/28")
    settings = Settings(home=office.home, public_url=PUBLIC)  # type: ignore[arg-type]
    app = create_app(replace(office.services, settings=settings), logins=office.logins)

    def ask(peer: str, *values: str | bytes, forwarded: str = "", path: str = "/cases", **headers: str) -> Any:
        served = _behind_proxies(app)
        client = TestClient(served, PUBLIC, follow_redirects=False, client=(peer, 5000), raise_server_exceptions=False)
        sent = [("X-Forwarded-User", value) for value in values] + [("X-Forwarded-For", forwarded)] * bool(forwarded)
        return client.get(path, headers=[*sent, *headers.items()])

    return ask


def test_a_proxys_word_counts_from_its_own_addresses_alone(behind: Callable[..., Any]) -> None:
    for peer in ("192.0.2.10", "198.51.100.3", "::ffff:192.0.2.10"):
        for who in ("operator", "OPERATOR", "operator@example.com", "Operator@example.com"):
            answer = behind(peer, who)
            assert answer.status_code == 200, (peer, who)
            assert "<bdi>operator</bdi>" in answer.text
    for peer in ("192.0.2.11", "198.51.100.16", "127.0.0.1", "::1", "203.0.113.9", "testclient", ""):
        assert behind(peer, "operator").status_code == 401, peer


def test_a_proxys_word_is_not_borrowed_by_naming_its_address(behind: Callable[..., Any]) -> None:
    """Behind another proxy on this machine, whose X-Forwarded-For says where a request came from."""
    assert behind("127.0.0.1", "operator", forwarded="192.0.2.10").status_code == 401
    assert behind("203.0.113.9", "operator", forwarded="192.0.2.10, 127.0.0.1").status_code == 401


def test_two_words_an_empty_one_and_a_strangers_name_are_nobody(behind: Callable[..., Any]) -> None:
    for values in (("operator", "operator"), ("operator", "team lead"), ("",), ("nobody",), ("team lead",),
                   ("operator, team lead",), ("nobody@example.com",), ("operator\tx",)):  # fmt: skip
        assert behind("192.0.2.10", *values).status_code == 401, values


def test_a_name_with_umlauts_is_known_as_utf_8_and_as_latin_1(office: Any, behind: Callable[..., Any]) -> None:
    (office.home / "policy.yaml").write_text("team: [Jürgen Groß, team lead]\n", encoding="utf-8")
    office.logins.invite("Jürgen Groß")
    for name in ("Jürgen Groß", "JÜRGEN GROSS"):
        for spelled in ("utf-8", "latin-1"):
            assert behind("192.0.2.10", name.encode(spelled)).status_code == 200, (name, spelled)
    for odd in (b"\xff\xfe", b"J\xc3rgen Gro\xdf"):
        assert behind("192.0.2.10", odd).status_code == 401


def test_where_the_proxy_says_who_it_is_no_cookie_says_otherwise(office: Any, behind: Callable[..., Any]) -> None:
    token = office.logins.by_password("operator", PASSWORD)
    cookie = f"__Host-caseproof={token}"
    assert behind("203.0.113.9", Cookie=cookie).status_code == 200
    assert behind("192.0.2.10", "nobody", Cookie=cookie).status_code == 401
    assert "log out there" in behind("192.0.2.10", "operator", path="/account").text


def test_the_peer_of_a_request_is_what_the_server_says_and_not_a_header() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del receive
        seen.append((scope[PEER], scope["client"][0]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    client = TestClient(_behind_proxies(app), PUBLIC, client=("127.0.0.1", 5000))
    client.get("/", headers={"X-Forwarded-For": "203.0.113.9", "caseproof.peer": "192.0.2.10"})
    assert seen == [("127.0.0.1", "203.0.113.9")], "limits count who is behind a proxy of this machine, as before"
