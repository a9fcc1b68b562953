"""The card: every event and state has its sentence, and text from outside stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.fold import fold
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import SENTENCES, State
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.closing import deciding
from caseproof.procedure.core.texts import LONGEST
from caseproof.procedure.views.case_page import case_page, next_action, sentence
from tests.support.fakes import START
from tests.support.world import REVIEWER, World

URL = "https://cases.example.com"
HOSTILE = (
    "x | y | z", "a\n\n| b |\n|---|", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "![pixel](https://evil.example/p.png)", "[click](https://evil.example)", "[click](javascript:alert(1))",
    "https://evil.example/login", "<https://evil.example>", "www.evil.example", "`code` **bold** _em_ ~~gone~~",
    "\\| \\<b\\>", "&lt;b&gt; &#60;b&#62;", "# Big", "```\nfence", "~~~\nfence", "> quoted", "- item", "===", "---",
    "1. one", "[ref]: https://evil.example", "a\u2028| b |\u2029c\x0bd\x85e", "{summary} {0} %s", "\u202egnp.exe",
    "<!-- ", "<details><summary>", "]]>", "$x$", "\t\tcode",
)  # fmt: skip


class Seen(HTMLParser):
    """What a browser would make of the card."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.rows: list[int] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += 1


def shown(text: str) -> Seen:
    """The card as a generous renderer shows it: raw HTML, tables and strike-through allowed."""
    return Seen(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))


def rendered(case: Case) -> str:
    return case_page(case, case_url=f"{URL}/cases/{case.ref}", evidence_url=f"{URL}/evidence")


def told(world: World, text: str) -> Case:
    """A case in which every text that comes from outside is ``text``."""
    world.register("Shop A", "owner@shop-a.example.com")
    world.platform.add("offers/feed-a", name=text, marketplace=text, url=f'{URL}/a b)"<{text}>')
    ref = world.open(summary=text, by=text)
    world.walk(ref, until="tell")
    if text.strip():
        world.confirm(ref, text)
    world.decide(ref, Decision.AFTER_CHANGE, reason=text, checked=f"The new token is set. {text}")
    world.services.ledger.record(ref, Kind.TROUBLE, step=text, problem=text, next_action=text)
    return world.case(ref)


def test_hostile_text_makes_no_markup_link_or_picture_and_breaks_no_table(world: World) -> None:
    plain = shown(rendered(told(world, "harmless")))
    others: dict[str, Seen] = {}
    for number, text in enumerate(HOSTILE):
        ref = f"offers/{number}"
        world.platform.add(ref, name=text, marketplace=text, url=f"{URL}/jobs/1")
        case = world.case(world.open(job=ref, summary=text, by=text or "x"))
        for event in (
            world.services.ledger.event(
                Kind.STOPPED, scope="job", jobs=[{"job": text, "name": text}], evidence="a" * 64
            ),
            world.services.ledger.event(Kind.TICKET_OPENED, desk="desk", ticket=text, adopted=False, url=""),
            world.services.ledger.event(Kind.NOTICE_SENT, message_id="x", accepted=[text], evidence="b" * 64),
            world.services.ledger.event(
                Kind.CONFIRMATION_RECEIVED,
                text,
                sender=text,
                words=f"{text}\n{text}",
                evidence="c" * 64,
                by_way_of="form",
            ),
            world.services.ledger.event(
                Kind.REPLY_RECEIVED, sender=text, words=text, why=text, evidence="d" * 64, by_way_of=text, name=text
            ),
            world.services.ledger.event(Kind.ADDRESS_BOUNCED, address=text, why=text, evidence="e" * 64),
            world.services.ledger.event(Kind.TROUBLE, step=text, problem=text, next_action=text),
        ):
            world.services.store.change(case.ref, lambda _, event=event: [event])
        others[text] = shown(rendered(world.case(case.ref)))
    for text, seen in others.items():
        assert set(seen.tags) <= set(plain.tags) | {"h2"}, text
        assert "img" not in seen.tags, text
        assert all(link.startswith(URL) for link in seen.links), (text, seen.links)
        assert set(seen.rows) <= {2, 3, 4}, text
        assert seen.tags.count("table") == plain.tags.count("table"), text
        assert seen.tags.count("h1") == 1, text


def test_no_text_from_outside_is_left_for_a_renderer_to_make_a_link_of(world: World) -> None:
    """GitHub's flavour turns bare addresses into links."""
    text = rendered(told(world, "https://evil.example/login www.evil.example"))
    assert not re.search(r"https?://evil|www\.evil", text)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "https://x.example/)![p](q", "x|y", "<b>"])
def test_an_address_of_a_platform_or_desk_that_is_none_makes_no_link(world: World, url: str) -> None:
    world.platform.add("offers/feed-a", url=url)
    ref = world.open()
    world.walk(ref, until="contain")
    world.services.ledger.record(ref, Kind.TICKET_OPENED, desk="desk", ticket="T-1", adopted=False, url=url)
    seen = shown(rendered(world.case(ref)))
    assert all(link.startswith((URL, "https://x.example/")) for link in seen.links)
    assert "img" not in seen.tags
    assert set(seen.rows) <= {2, 3, 4}


def test_the_words_are_shown_verbatim_line_by_line(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    world.confirm(ref, "We changed it.\n\nIt works: 100% & more <3\n# and *more*")
    html = MarkdownIt("commonmark").render(rendered(world.case(ref)))
    quote = html[html.index("<blockquote>") : html.index("</blockquote>")]
    for line in ("We changed it.", "It works: 100% &amp; more &lt;3", "# and *more*"):
        assert line in quote


def test_a_reply_stands_on_the_card_with_why_it_confirms_nothing_until_somebody_records_it(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    said = {"sender": "owner@shop-a.example.com", "words": "Which token?", "evidence": "d" * 64, "by_way_of": "mail"}
    world.services.ledger.record(ref, Kind.REPLY_RECEIVED, **said, why="asks for help")
    case = world.case(ref)
    assert "It confirms nothing by itself: asks for help" in rendered(case)
    assert "> Which token?" in rendered(case)
    assert next_action(case).startswith("Read what the retailer wrote")
    world.services.ledger.record(ref, Kind.CONFIRMATION_RECEIVED, "operator", **said)
    recorded = rendered(world.case(ref)).partition("## Timeline")[0]
    assert recorded.count("> Which token?") == 1
    assert "confirms nothing" not in recorded


def test_the_card_says_which_way_the_words_came(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    said = {"sender": "owner@shop-a.example.com", "words": "Done.", "evidence": "d" * 64}
    by_page = {"by_way_of": "page", "choice": "changed", "name": "Jane | <b>"}
    world.services.ledger.record(ref, Kind.CONFIRMATION_RECEIVED, **said, **by_page)
    assert 'on the confirmation page, as Jane \\| \\<b\\>: "the change is made", recorded' in rendered(world.case(ref))


def test_a_late_word_is_marked_as_late(world: World) -> None:
    ref = world.closed()
    said = {"sender": "owner@shop-a.example.com", "words": "Too late?", "evidence": "d" * 64, "by_way_of": "mail"}
    world.services.ledger.record(ref, Kind.REPLY_RECEIVED, **said, why="the case was closed already")
    assert "Late: the case was closed already" in rendered(world.case(ref))


def test_j8_the_review_of_what_went_on_by_itself_is_what_comes_next(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    said = {"sender": "owner@shop-a.example.com", "words": "Done.", "evidence": "d" * 64, "choice": "changed"}
    world.services.ledger.record(ref, Kind.CONFIRMATION_RECEIVED, **said, by_way_of="page")
    assert deciding.goes_on_by_itself(world.services.ledger, world.services.policy, ref)
    world.walk(ref, until="attach", people=False)
    assert next_action(world.case(ref)).startswith("Review the evidence")


@pytest.mark.parametrize("kind", list(Kind))
def test_every_event_has_a_sentence(kind: Kind) -> None:
    listed = {"jobs": [{"job": "offers/feed-a"}], "accepted": ["a@example.com"], "number": 1, "failed": []}
    data: dict[str, Any] = {name: listed.get(name, f"the {name}") for name in kind.spec.required}
    for event in (Event(kind, START, "operator", data), Event(kind, START, "operator", data | {"name": "{braces} {"})):
        said = sentence(event)
        assert said
        assert said == " ".join(said.split())
        assert "None" not in said


def test_every_state_has_a_card_with_its_sentence_and_a_next_action(world: World) -> None:
    ref = world.open()
    seen = {}

    def look(_: str = "") -> None:
        case = world.case(ref)
        seen[case.state] = next_action(case)
        assert SENTENCES[case.state] in rendered(case)

    look()
    world.walk(ref, people=False, after=look)
    until = world.clock.now.date().replace(year=2030)
    world.decide(ref, Decision.KEEP_PAUSED, until=until)
    look()
    assert until.isoformat() in seen[State.PAUSED]
    world.decide(ref)
    look()
    world.walk(ref, people=False, after=look)
    deciding.review(world.services.ledger, world.services.policy.team, ref, approved=True, by=REVIEWER, remark="Seen.")
    look()
    world.walk(ref, after=look)
    assert set(seen) == set(State)
    assert all(seen.values())


def test_what_needs_help_is_the_next_action_until_it_is_over(world: World) -> None:
    ref = world.open()
    world.services.ledger.record(ref, Kind.TROUBLE, step="stop", problem="It hangs.", next_action="Start it.")
    assert next_action(world.case(ref)) == "It hangs. Start it."
    world.services.ledger.record(ref, Kind.TROUBLE_OVER, step="stop")
    assert "Start it." not in next_action(world.case(ref))


def test_a_closed_case_shows_nothing_that_blocks_and_a_picture_where_one_is_given(world: World) -> None:
    case = world.case(world.closed())
    text = case_page(case, case_url=URL, evidence_url=URL, picture=b"png")
    assert "What blocks closure" not in text
    assert "data:image/png;base64,cG5n" in text


def test_a_closed_case_shows_the_proof_first_then_the_run_with_its_picture_then_the_rest(world: World) -> None:
    text = case_page(world.case(world.closed()), case_url=URL, evidence_url=URL, picture=b"png")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["The proof", "The successful run", "Timeline"]
    run = text[text.index("## The successful run") : text.index("## Timeline")]
    assert run.index("read back as") < run.index("data:image/png")


def test_a_removal_is_never_called_a_success(world: World) -> None:
    text = case_page(world.case(world.closed(Decision.REMOVE)), case_url=URL, evidence_url=URL, picture=b"png")
    assert "## The removal" in text
    assert "successful" not in text.partition("## Timeline")[0].replace("read back as successful", "")


@pytest.mark.parametrize(
    "long", ["It fails. " * 200, "x" * 5000, "word " + "y" * 5000], ids=["words", "one word", "a word and a long one"]
)
def test_a_long_message_is_shortened_and_a_short_one_is_left_alone(long: str) -> None:
    event = Event(Kind.RUN_FAILED, START, "caseproof", {"run": "r", "why": long})
    said = sentence(event)
    assert LONGEST // 2 < len(said) <= LONGEST
    assert said.endswith(" …")
    assert sentence(Event(Kind.RUN_FAILED, START, "caseproof", {"run": "r", "why": "y" * 250})).endswith("y")


def test_the_card_of_a_case_is_made_of_its_events_alone(world: World) -> None:
    case = world.case(world.closed())
    assert rendered(fold(case.ref, case.events)) == rendered(case)
