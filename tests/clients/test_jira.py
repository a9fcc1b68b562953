"""Jira Cloud's client against a made-up Jira: made once, found again though its search lags, read back, refused in
words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from caseproof.desks.base import DeskDown, DeskError, TicketStatus, UnknownTicket
from caseproof.desks.jira import JiraCloud
from caseproof.desks.jira_text import as_adf, as_text
from caseproof.desks.jira_wire import JiraAccount
from caseproof.desks.marks import mark_of, units
from caseproof.domain.errors import BadInput
from sandbox.farm_http import Asked
from sandbox.jira import EMAIL, ME, PROJECT, TOKEN, JiraSimulator
from sandbox.provider import Bad, Kind, running
from tests.support.described import not_as_described
from tests.support.lost_answers import LOST
from tests.support.specs import spec

KEY = "SC-000001/development/12"
LABEL = f"caseproof-{KEY}"
OPEN, CLOSED = TicketStatus.OPEN, TicketStatus.CLOSED
NOT_DESCRIBED = ("/attachments",)
"""The description takes a form with files for a list of them; the made-up Jira looks at the form itself."""


class Here:
    """A made-up Jira, and a client of it. ``slept`` are the seconds that were waited."""

    def __init__(self, jira: JiraSimulator, url: str) -> None:
        self.jira = jira
        self.account = JiraAccount("jira", url, EMAIL, TOKEN, PROJECT)
        self.slept: list[float] = []
        self._open: list[JiraCloud] = []
        self.desk = self.another()

    def another(self, read_seconds: float = 30, **other: Any) -> JiraCloud:
        """A client as another process has it."""
        self._open.append(JiraCloud(replace(self.account, **other), sleep=self.slept.append, read_seconds=read_seconds))
        return self._open[-1]

    def close(self) -> None:
        for one in self._open:
            one.close()

    def made(self, key: str = KEY) -> str:
        return self.desk.create(key, "[SC-000001] cart service: keep the session", "Where: cart service").id

    def calls(self, what: str) -> int:
        return sum(what in f"{one.method} {one.path}" for one in self.jira.asked)


@pytest.fixture
def here() -> Iterator[Here]:
    with running(JiraSimulator()) as (jira, url), closing(Here(jira, url)) as found:
        yield found
        try:
            described = spec("jira-issues.json")
        except pytest.skip.Exception:
            return
        assert not_as_described(described, jira.asked, NOT_DESCRIBED)[1] == []


# -- made once ------------------------------------------------------------------------------------------------------


def test_an_issue_is_made_once_with_its_label_its_property_and_a_document(here: Here) -> None:
    first = here.desk.create(KEY, "keep\nthe session", "What: <b>all</b> *and* [more|x]\n\n> they said")
    assert here.desk.create(KEY, "another subject", "") == first
    assert here.another().create(KEY, "another subject", "") == first, "in another process, too"
    (issue,) = here.jira.of(LABEL)
    assert issue.properties == {"caseproof": {"key": KEY, "project": PROJECT}}
    assert [node["type"] for node in issue.description["content"]] == ["paragraph", "blockquote"]
    assert issue.description["content"][0]["content"] == [{"type": "text", "text": "What: <b>all</b> *and* [more|x]"}]
    assert (first.id, first.subject, first.status) == (issue.id, "keep the session", OPEN)
    assert first.url == f"{here.account.site}/browse/DEV-1"


def test_the_requests_are_what_the_vendor_describes(here: Here) -> None:
    described = spec("jira-issues.json")
    number = here.made()
    here.desk.comment(number, "a", "words")
    here.desk.set_status(number, CLOSED)
    known, wrong = not_as_described(described, here.jira.asked, NOT_DESCRIBED)
    assert (known >= 8, wrong) == (True, [])
    bad = Asked("POST", "/rest/api/3/search/jql", {}, {"jql": 1, "colour": "red"}, {"content-type": "application/json"})
    assert len(not_as_described(described, [bad])[1]) == 2, "this check can fail"


def test_an_issue_that_the_search_does_not_know_yet_is_found_by_its_number(here: Here) -> None:
    for _ in range(3):
        here.jira.raise_issue("another one")
    here.jira.lag = 0.0
    assert here.desk.find(KEY) is None
    here.jira.lag = 600
    here.jira.skip(3)
    number = here.made()
    here.jira.raise_issue("and one after it")
    found = here.another().find(KEY)
    assert found is not None
    assert found.id == number
    assert here.another().find("SC-000001/development/1") is None, "what only begins so is another one"


def test_an_issue_that_the_search_leaves_out_between_others_is_found_too(here: Here) -> None:
    number = here.made()
    here.jira.raise_issue("a later one")
    here.jira.issues[number].made_at += 600  # not in the index yet, though a later one is
    here.jira.lag = 0.0
    found = here.another().find(KEY)
    assert found is not None
    assert found.id == number


@pytest.mark.parametrize("kind", ["drop", "hang after"])
def test_a_creation_whose_answer_is_lost_is_found_and_not_repeated(here: Here, kind: Kind) -> None:
    here.jira.lag = 600
    here.jira.bad = [Bad(kind, "POST /rest/api/3/issue", 1, value=30)]
    ticket = here.another(read_seconds=LOST[kind]).create(KEY, "subject", "body")
    assert [one.id for one in here.jira.of(LABEL)] == [ticket.id]
    assert here.another().create(KEY, "subject", "body").id == ticket.id
    assert here.slept == [0.5], "it looks a moment later"


def test_a_creation_that_failed_is_told_as_a_desk_that_is_down_and_made_later(here: Here) -> None:
    here.jira.bad = [Bad("broken", "POST /rest/api/3/issue", 1)]
    with pytest.raises(DeskDown, match="did not say whether it made the ticket of SC-000001"):
        here.made()
    assert here.made() == here.jira.of(LABEL)[0].id


def test_a_search_that_is_far_behind_says_nothing_for_sure(here: Here) -> None:
    here.jira.lag = 600
    for _ in range(203):
        here.jira.raise_issue("imported")
    with pytest.raises(DeskDown, match="more than 200 issues behind"):
        here.made()
    assert here.calls("POST /rest/api/3/issue") == 0, "and nothing is made"


def test_whose_label_is_on_a_clone_is_not_ours_and_the_oldest_of_two_is_taken(here: Here) -> None:
    number = here.made()
    here.jira.clone(number)
    assert here.another().find(KEY) == here.desk.ticket(number)
    here.jira.delete(number)
    assert here.another().find(KEY) is None, "a person's clone is no ticket of ours"
    assert here.desk.find(KEY) is None
    two = [here.jira.raise_issue("ours", labels=[LABEL]) for _ in range(2)]
    for one in two:
        here.jira.issues[one].properties = {"caseproof": {"key": KEY, "project": PROJECT}}
    found = here.another().find(KEY)
    assert found is not None
    assert found.id == two[0]


def test_a_search_is_paged_to_its_end_and_one_without_an_end_is_an_error(here: Here) -> None:
    number = here.made()
    for _ in range(5):
        here.jira.clone(number)
    here.jira.page = 2
    assert here.another().find(KEY) == here.desk.ticket(number)
    here.jira.endless = True
    with pytest.raises(DeskError, match="comes to no end"):
        here.another().find(KEY)


def test_a_label_says_its_key_and_no_two_keys_have_one(here: Here) -> None:
    account = here.account
    assert account.label_of(KEY) == LABEL
    odd = [account.label_of(key) for key in ('with "quotes"', "with blanks", "ü", "x" * 300)]
    assert len(set(odd)) == 4
    assert all(len(one) < 60 for one in odd)
    assert here.desk.find('x" OR project = "OPS') is None


# -- what is answered as done, and is not --------------------------------------------------------------------------


def test_what_is_answered_as_done_and_is_not_is_an_error(here: Here) -> None:
    here.jira.bad = [Bad("nothing", "POST /rest/api/3/issue", 1)]
    with pytest.raises(DeskError, match=r"does not show it \(DEV-999\)"):
        here.made()
    number = here.made()
    here.jira.bad = [Bad("nothing", f"POST /rest/api/3/issue/{number}")]
    with pytest.raises(DeskError, match="does not show it"):
        here.desk.comment(number, "a", "words")
    with pytest.raises(DeskError, match="does not give it back with its 2 bytes"):
        here.desk.attach(number, "a.json", b"{}", "application/json")
    with pytest.raises(DeskError, match="took the transition 'Finish' of DEV-1, which is not closed after it"):
        here.another(done_status="Done").set_status(number, CLOSED)
    assert here.desk.ticket(number).status is OPEN


@pytest.mark.parametrize("kind", ["drop", "hang after"])
def test_a_change_whose_answer_is_lost_counts_once_where_it_took_effect(here: Here, kind: Kind) -> None:
    number = here.made()
    desk = here.another(read_seconds=LOST[kind])
    here.jira.bad = [Bad(kind, f"POST /rest/api/3/issue/{number}/{what}", 1, value=30)
                     for what in ("comment", "attachments", "transitions")]  # fmt: skip
    desk.comment(number, "a", "words")
    desk.attach(number, "a.json", b"{}", "application/json")
    desk.set_status(number, CLOSED)
    issue = here.jira.issues[number]
    assert (len(issue.comments), len(issue.files), here.calls("POST /rest/api/3/issue/")) == (1, 1, 3)


def test_a_file_is_read_back_by_name_size_and_content(here: Here) -> None:
    number = here.made()
    first = here.desk.attach(number, "Prüfung 1.json", b"{}", "application/json")
    assert first.sha256 == hashlib.sha256(b"{}").hexdigest()
    assert here.desk.attach(number, "Prüfung 1.json", b"{}", "application/json") == first
    other = here.desk.attach(number, "Prüfung 1.json", b"[]", "application/json")
    assert other.id != first.id, "as long, and something else"
    issue = here.jira.issues[number]
    issue.contents[first.id] = b"<>"
    assert [one.sha256 == first.sha256 for one in here.desk.attachments(number)] == [False, False]
    issue.files.append({"id": "7", "filename": "theirs.mp4", "size": 5, "author": {"accountId": "712020:x"}})
    assert here.desk.attachments(number)[-1].sha256 is None, "what others attach is not read"
    with pytest.raises(DeskError, match="larger than the 10 MB"):
        here.desk.attach(number, "a.bin", bytes(10_000_001), "application/octet-stream")


@pytest.mark.parametrize("sent", [b"{}", b"{ }"])
def test_a_file_that_never_reads_back_as_it_was_sent_is_not_sent_for_ever(here: Here, sent: bytes) -> None:
    """A scanner that rewrites files, say: each try of the keeper would leave one more on the issue."""
    number = here.made()
    here.jira.rewrites = lambda content: content.upper() + b"x"
    for _ in range(5):
        with pytest.raises(DeskError, match="does not give it back"):
            here.desk.attach(number, "a.json", sent, "application/json")
    with pytest.raises(DeskError, match=r"has 5 files called a\.json.*none of them"):
        here.desk.attach(number, "a.json", sent, "application/json")
    assert len(here.jira.issues[number].files) == 5


# -- open and closed ------------------------------------------------------------------------------------------------


def test_it_closes_by_the_category_of_a_status_whatever_that_is_called(here: Here) -> None:
    number = here.made()
    for was, now in (("Done", "Erledigt"), ("To Do", "Offen"), ("Rejected", "Abgelehnt"), ("In Progress", "Läuft")):
        here.jira.rename(was, now)
    desk = here.another(done_status="erledigt")
    desk.set_status(number, CLOSED)
    assert here.jira.issues[number].status == "Erledigt", "of two, the one that the block names"
    desk.set_status(number, OPEN)
    assert here.jira.issues[number].status == "Offen", "what is opened again has to be done, and is not begun"
    here.jira.set(number, "Läuft")
    assert desk.ticket(number).status is OPEN
    here.jira.set(number, "Abgelehnt")
    assert desk.ticket(number).status is CLOSED
    before = here.calls("POST")
    desk.set_status(number, CLOSED)
    assert here.calls("POST") == before, "what is closed is not closed again"


def test_a_workflow_that_does_not_lead_there_or_asks_for_something_is_told_in_words(here: Here) -> None:
    number = here.made()
    finish = here.jira.ways[3]
    here.jira.ways = here.jira.ways[:2]
    with pytest.raises(DeskError, match="no transition of DEV-1 from 'To Do' to a status that is closed"):
        here.desk.set_status(number, CLOSED)
    here.jira.ways.append(replace(finish, asks=("Resolution",)))
    with pytest.raises(DeskError, match=r"'Finish' of DEV-1 in .* asks for Resolution\. Next: Take it by hand"):
        here.desk.set_status(number, CLOSED)
    here.jira.ways.append(replace(finish, id="61", name="Reject", to="Rejected"))
    with pytest.raises(DeskError, match="'Finish' of DEV-1"):  # the status that the block names, and no other
        here.another(done_status="Done").set_status(number, CLOSED)
    here.jira.ways.pop()
    here.jira.ways.append(replace(finish, id="51", name="Simply finish"))
    here.desk.set_status(number, CLOSED)
    here.jira.set(number, "To Do")
    here.jira.rights.discard("TRANSITION_ISSUES")
    with pytest.raises(DeskError, match="illegal workflow operation"):
        here.desk.set_status(number, CLOSED)


def test_an_issue_that_was_moved_is_followed_by_its_id_and_by_its_old_key(here: Here) -> None:
    number = here.made()
    assert here.jira.move(number) == "OPS-1"
    page = f"{here.account.site}/browse/OPS-1"
    copied = (
        f" {page} ",
        f"{page}?focusedCommentId=10001",
        f"{page}/",
        f"{page}#top",
        page.upper().replace("HTTP", "http"),
    )
    for named in (number, "DEV-1", "dev-1", "OPS-1", *copied):
        assert here.desk.ticket(named).id == number
    assert here.desk.ticket(number).url.endswith("/browse/OPS-1")
    here.desk.comment(number, "a", "words")
    assert here.another().find(KEY) == here.desk.ticket(number), "and none is made in its place"


def test_an_issue_of_another_installation_in_another_project_is_not_ours(here: Here) -> None:
    theirs = here.another(project="OPS").create(KEY, "theirs", "")
    assert here.desk.find(KEY) is None
    assert here.made() != theirs.id
    assert len(here.jira.of(LABEL)) == 2


def test_a_site_that_drops_properties_makes_no_second_issue(here: Here) -> None:
    number = here.made()
    here.jira.clone(number)
    here.jira.issues[number].properties = {}
    found = here.another().find(KEY)
    assert found is not None
    assert found.id == number, "by who made it"


@pytest.mark.parametrize("named", ["424242", "DEV-77", "", "no ticket", "../myself", "1?x=y", "T-000001/comment"])
def test_what_is_no_issue_is_an_unknown_ticket(here: Here, named: str) -> None:
    for call in (here.desk.ticket, here.desk.comments, here.desk.attachments):
        with pytest.raises(UnknownTicket, match="deleted, or moved where the account may not look"):
            call(named)


def test_a_deleted_issue_is_unknown_and_one_that_is_only_hidden_from_us_is_not(here: Here) -> None:
    number = here.made()
    here.jira.rights.clear()
    with pytest.raises(DeskError, match="shows our account no project DEV") as hidden:
        here.desk.ticket(number)
    assert not isinstance(hidden.value, UnknownTicket)
    with pytest.raises(DeskError, match="The value 'DEV' does not exist"):
        here.another().find(KEY)
    here.jira.rights.add("BROWSE_PROJECTS")
    here.jira.delete(number)
    with pytest.raises(UnknownTicket):
        here.desk.ticket(number)


# -- comments -------------------------------------------------------------------------------------------------------


def test_a_comment_is_made_once_a_key_and_ours_is_told_from_what_people_write(here: Here) -> None:
    number = here.made()
    here.jira.say(number, f"I say it first: {mark_of('a')}")
    for _ in range(2):
        here.desk.comment(number, "a", "Released?\nhttps://caseproof.example.com/cases/SC-000001")
    here.jira.say(number, f"I quote: {mark_of('a')}")
    _, ours, theirs = here.desk.comments(number)
    assert (ours.ours, ours.by, theirs.ours, theirs.by) == (True, "Caseproof", False, "A developer")
    assert ours.text.startswith("Released?\nhttps://caseproof.example.com/cases/SC-000001")
    for n in range(250):
        here.jira.say(number, f"words {n}", who=ME)
    assert len(here.desk.comments(number)) == 253
    here.desk.comment(number, "a", "Released?")
    assert len(here.jira.issues[number].comments) == 253, "found behind many others"
    here.desk.comment(number, "b", "x" * 100_000)
    assert mark_of("b") in here.desk.comments(number)[-1].text


@pytest.mark.parametrize(
    "text",
    ["😀" * 40_000, "ä\n" * 20_000, "> a\n\n" * 9_000, "https://a.example.com/ä " * 2_000],
    ids=["emoji", "lines", "quotations", "links"],
)
def test_a_text_that_is_too_long_is_cut_to_what_jira_takes_however_it_counts(here: Here, text: str) -> None:
    """It counts 32,767 of something: no fewer than the letters, no more than the document as it is sent."""
    number = here.desk.create(KEY, "😀" * 300, text).id
    for _ in range(2):
        here.desk.comment(number, "a", text)
    issue = here.jira.issues[number]
    for document in (issue.description, issue.comments[0]["body"]):
        assert 20_000 < units(json.dumps(document, ensure_ascii=False, separators=(",", ":"))) <= 32_767
    assert len(issue.comments) == 1
    assert as_text(issue.comments[0]["body"]).endswith(f"…\n\n{mark_of('a')}")
    assert as_text(issue.description).endswith("…")
    assert 250 < units(issue.summary) <= 255


def test_a_short_text_stays_whole(here: Here) -> None:
    number = here.made()
    here.desk.comment(number, "a", "Größe ✓")
    assert here.desk.comments(number)[0].text == f"Größe ✓\n\n{mark_of('a')}"


# -- let in, and throttled ------------------------------------------------------------------------------------------


def test_a_token_that_is_not_valid_is_told_and_never_taken_for_an_empty_search(here: Here) -> None:
    number = here.made()
    for anonymous in (False, True):
        here.jira.token, here.jira.anonymous = "another one", anonymous
        for call in (here.desk.probe, lambda: here.another().find(KEY), lambda: here.desk.ticket(number)):
            with pytest.raises(DeskError, match="does not accept our credentials") as refused:
                call()
            assert "make a new one" in refused.value.next_action
            assert TOKEN not in f"{refused.value!r} {refused.value}"


def test_what_our_account_may_not_do_is_refused_in_words_and_told_by_the_probe(here: Here) -> None:
    assert here.desk.probe().lacks == ()
    here.jira.rights -= {"CREATE_ISSUES", "ADD_COMMENTS"}
    probed = here.desk.probe()
    assert [lack.partition("'")[2].partition("'")[0] for lack in probed.lacks] == ["Create Issues", "Add Comments"]
    assert probed.clock is not None
    with pytest.raises(DeskError, match=r"You do not have permission to create issues.* Next: Give the account"):
        here.made()
    here.jira.rights.add("CREATE_ISSUES")
    here.jira.labels_on_screen = False
    with pytest.raises(DeskError, match=r"labels: .* Next: Put the field Labels on the screen"):
        here.made()
    with pytest.raises(DeskError, match=r"no type of issue 'Story'\. Next: .* there are: Task, Bug"):
        here.another(issue_type="Story").probe()
    with pytest.raises(DeskError, match="no project NOPE"):
        here.another(project="NOPE").probe()


def test_an_account_that_is_nobody_is_told_and_nobody_s_comments_are_not_ours(here: Here) -> None:
    """A proxy that answers all with an empty object, say."""
    here.jira.me = {}
    with pytest.raises(DeskError, match="is not Jira Cloud"):
        here.another().probe()


def test_a_site_that_there_is_not_is_told_as_a_wrong_address(here: Here) -> None:
    wrong = here.another(site=f"{here.account.site}/jira")
    with pytest.raises(DeskError, match=r"a web page titled 'Your Atlassian Cloud site is currently unavailable'"):
        wrong.probe()
    with pytest.raises(DeskError, match="Check the API address"):
        wrong.ticket("DEV-1")


def test_it_waits_as_long_as_it_is_told_to_and_leaves_a_longer_wait_to_the_caller(here: Here) -> None:
    here.jira.bad = [Bad("too many", "", 2, value=7)]
    number = here.made()
    assert (here.slept, len(here.jira.of(LABEL))) == ([7, 7], 1)
    here.jira.bad = [Bad("too many", "", value=3600)]
    with pytest.raises(DeskDown, match="Try again in 60 minutes"):
        here.desk.ticket(number)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"site": "example"}, "an address that is none"),
        ({"project": "dev 1"}, "a project key that is none"),
        ({"label": "case proof"}, "a label that is none"),
        ({"api_token": " "}, "has no api token"),
    ],
)
def test_an_account_that_lacks_something_is_refused_without_a_call(wrong: dict[str, Any], said: str) -> None:
    good = JiraAccount("jira", "https://example.atlassian.net", EMAIL, "hunter2", PROJECT)
    with pytest.raises(BadInput, match=said):
        replace(good, **wrong)
    assert "hunter2" not in repr(good)


# -- text as a document ----------------------------------------------------------------------------------------------


def test_only_what_is_built_here_is_markup() -> None:
    text = "See https://a.example.com/x?y=1. And (https://b.example.com), not ahttps://c.example.com or https: //d.e"
    (paragraph,) = as_adf(f"{text}\n[click](javascript:alert) {{code}} <img> @somebody h1. \x00x")["content"]
    links = [node["text"] for node in paragraph["content"] if node.get("marks")]
    assert links == ["https://a.example.com/x?y=1", "https://b.example.com"]
    assert all(node["marks"][0]["attrs"]["href"] == node["text"] for node in paragraph["content"] if "marks" in node)
    assert {node["type"] for node in paragraph["content"]} == {"text", "hardBreak"}
    assert all(node["text"] for node in paragraph["content"] if node["type"] == "text")


def test_a_document_reads_back_as_the_text_that_it_was_made_of() -> None:
    text = "Where: cart\nThe change: x\n\nWhat they said:\n\nhttps://caseproof.example.com/cases/SC-000001\n- a\n- b"
    assert as_text(as_adf(text)) == text
    assert as_adf("")["content"] == [{"type": "paragraph", "content": []}]
    assert as_text(as_adf("> a\n>\n> b")) == "a\n\nb"


def test_a_document_of_others_is_read_whatever_stands_in_it() -> None:
    mention = {"type": "mention", "attrs": {"text": "@somebody"}}
    card = {"type": "inlineCard", "attrs": {"url": "https://example.com/x"}}
    item = {"type": "listItem", "content": [{"type": "paragraph", "content": [mention, card]}]}
    assert as_text({"type": "doc", "content": [{"type": "bulletList", "content": [item]}]}) == (
        "@somebodyhttps://example.com/x"
    )
    deep: dict[str, Any] = {"type": "text", "text": "deep"}
    for _ in range(5_000):
        deep = {"type": "panel", "content": [deep]}
    odds: list[object] = [None, "words", [], {"content": 1}, {"type": 5, "text": None}, deep]
    for odd in odds:
        assert as_text(odd) == ""
