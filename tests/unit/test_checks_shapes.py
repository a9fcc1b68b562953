"""The shape of a message: the same for what differs in ids, numbers, hosts and times; another for other words."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.checks.shapes import LONGEST, READ, abridged, key_of, nearest, shape_of

MESSAGE = (
    "Flow run encountered an exception: BasketError: order {id} of {mail} at {url} was not booked on {host} "
    "after {number} tries ({time}), reference '{token}'"
)
IDS = st.uuids().map(str)
HOSTS = st.builds("{}-{}.shops.example.com".format, st.sampled_from(["db", "api", "www"]), st.integers(0, 99))
TOKENS = st.text("abcdef0123456789", min_size=20, max_size=40).filter(lambda one: any(c.isdigit() for c in one))
PARTS = st.fixed_dictionaries(
    {
        "id": IDS,
        "mail": st.builds("{}@{}".format, st.sampled_from(["owner", "shop.a", "info"]), HOSTS),
        "url": st.builds("https://{}/orders/{}?page={}".format, HOSTS, IDS, st.integers(0, 9)),
        "host": HOSTS | st.ip_addresses(v=4).map(str),
        "number": st.integers(0, 10**9).map(str),
        "time": st.datetimes().map(lambda at: at.isoformat(sep=" ", timespec="seconds")),
        "token": TOKENS,
    }
)
WORDS = st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=9), min_size=3, max_size=8)


@given(PARTS, PARTS)
def test_messages_that_differ_in_ids_numbers_hosts_and_times_have_one_shape(one: dict, other: dict) -> None:
    shapes = {shape_of(MESSAGE.format(**parts)) for parts in (one, other)}
    assert len(shapes) == 1
    assert shapes.pop().startswith("basketerror: order")


@given(WORDS, WORDS)
def test_other_words_are_another_shape(one: list[str], other: list[str]) -> None:
    same = shape_of(" ".join(one)) == shape_of(" ".join(other))
    assert same == (one == other)


@given(st.text(max_size=600))
def test_whatever_a_message_holds_its_shape_is_bounded_and_stable(message: str) -> None:
    shape = shape_of(message)
    assert shape == shape_of(message)
    assert len(shape) <= LONGEST + len("http 000 ")
    assert bool(shape) == bool(key_of(shape))


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("", ""),
        ("12345 2026-11-20 08:00:00", ""),
        ("something broke", "something broke"),
        ("Something   BROKE\n", "something broke"),
        ("Task run encountered an exception: KeyError: 'sku-4711'", "keyerror: 'sku-…'"),
        ("KeyError: '4711' in this feed", "keyerror: … in this feed"),
        ("KeyError: 4711", ""),
        ("KeyError: 'price'", "keyerror: 'price'"),
        ("Connection to db-7.shops.example.com:5432 lost after 30s", "connection to … lost after …"),
        ("GET https://api.example.com/v2/orders/77 said no", "get … said no"),
        ("file /data/shops/17/feed.csv is odd", "file … is odd"),
        ("no more route to api.market.fr or www.shop.co.uk", "no more route to … or …"),
        (
            "in client.orders.fetch of sync.py: requests.exceptions.Odd",
            "in client.orders.fetch of sync.py: requests.exceptions.odd",
        ),
        ("refused on Fri, 20 Nov 2026 08:00:01 GMT", "refused on … gmt"),
        ("HTTP 401: go away", "http 401 http …: go away"),
    ],
)
def test_what_a_shape_looks_like(message: str, shape: str) -> None:
    assert shape_of(message) == shape


MEAN_ANOTHER_THING = [
    # within quotes
    ('{"error":"Contract 4711 has ended"}', '{"error":"Title 4711 is too long"}'),
    ('"Vertrag 12 gek\u00fcndigt"', '"Zeile 12 ohne Titel"'),
    ("it said 'contract 12 ended' to us", "it said 'title 12 missing' to us"),
    ("the field `seller_7_contract` is wrong", "the field `article_7_title` is wrong"),
    # codes
    ("job ended with code 17", "job ended with code 42"),
    ("the process ended: exit code 137", "the process ended: exit code 2"),
    ("the process ended: exit code 13", "the process ended: exit code 137"),
    ("process exited with 137 suddenly", "process exited with 2 suddenly"),
    ("the process ended with exit status -9", "the process ended with exit status 1"),
    ("the process ended with exit code 3221225477", "the process ended with exit code 3221225786"),
    ("Abbruch mit Fehlernummer 4711", "Abbruch mit Fehlernummer 9"),
    ("Fehler 17 in Zeile 4 vom Auftrag", "Fehler 42 in Zeile 4 vom Auftrag"),
    ("Verbindung fehlt (Fehlercode: 17)", "Verbindung fehlt (Fehlercode: 42)"),
    ("login was refused, SQLSTATE 28000", "login was refused, SQLSTATE 23505"),
    ("SQLSTATE[HY000] [2002] was returned", "SQLSTATE[HY000] [1045] was returned"),
    ("query refused (SQLSTATE 42P01)", "query refused (SQLSTATE 42501)"),
    ("[Errno 13] while opening", "[Errno 28] while opening"),
    ('{"code":17,"message":"see manual"}', '{"code":42,"message":"see manual"}'),
    ("request failed: (#190) see manual", "request failed: (#100) see manual"),
    ("database refused: ORA-00942", "database refused: ORA-01017"),
    ("login refused: AADSTS50034", "login refused: AADSTS700016"),
    ("HRESULT: 0x80070005 from the server", "HRESULT: 0x80004005 from the server"),
    ("partner said ERROR_17 again", "partner said ERROR_42 again"),
    ("partner said E1017 again", "partner said E2040 again"),
    ("the order has status 3 there", "the order has status 7 there"),
    ("(1045, 'Access denied there')", "(2003, 'Access denied there')"),
    ("curl: (28) transfer broke here", "curl: (7) transfer broke here"),
    ("Fehler: 17 beim Import heute", "Fehler: 42 beim Import heute"),
    ("[WinError 10060] timed out again", "[WinError 10061] timed out again"),
    ("statusCode=17 from partner api", "statusCode=3 from partner api"),
    ("<code>17</code> see manual", "<code>18</code> see manual"),
    # places in a document
    ("the field /contract/end_date is missing", "the field /article/title is missing"),
    # names that hold a digit
    ("oauth2_consent_withdrawn by seller", "oauth2_rate_plan_ended by seller"),
    ("ERR_H2_CONTRACT_ENDED at partner", "ERR_H2_TITLE_MISSING at partner"),
    ("problem: v2-contract-ended-today", "problem: v2-title-missing-today"),
    # dotted codes
    ("seller.contract.invalid was answered", "article.title.invalid was answered"),
    ("oauth2.token.invalid was answered", "oauth2.seller.invalid was answered"),
    ("it broke: order.price.info", "it broke: seller.contract.info"),
    ("the text title.de is missing", "the text price.de is missing"),
    ("java.net.ConnectException was thrown", "java.net.BindException was thrown"),
    # words that begin like days and months
    ("Monat 3 nicht bezahlt", "Satz 3 nicht bezahlt"),
    ("nach 12 Marken 3 Treffer", "nach 12 Juniorpreisen 3 Treffer"),
    ("sunrise 3 is closed", "fridge 3 is closed"),
]


@pytest.mark.parametrize(("one", "other"), MEAN_ANOTHER_THING)
def test_what_means_another_thing_has_another_shape(one: str, other: str) -> None:
    assert shape_of(one)
    assert shape_of(other)
    assert shape_of(one) != shape_of(other)


SAY_THE_SAME = [
    ('{"error":"Contract 4711 has ended"}', '{"error":"Contract 9 has ended"}'),
    ('{"error":"Contract ended","id":"4711"}', '{"error":"Contract ended","id":"12-9"}'),
    ("article 4711 has errors: 17 fields are empty", "article 12 has errors: 3 fields are empty"),
    ("feed 17 of shop12 is broken", "feed 9 of shop4711 is broken"),
    ("feed-17 of shop_12_a is broken", "feed-4711 of shop_9_a is broken"),
    ("feed17 of this shop is broken", "feed4711 of this shop is broken"),
    ("line 17, column 4: title missing", "line 9, column 33: title missing"),
    ("postal code 80331 is not known", "postal code 10115 is not known"),
    ("coupon code 4711 is not known", "coupon code 9 is not known"),
    ("article has barcode 4006381333931 twice", "article has barcode 5449000000996 twice"),
    ("<Order object at 0x7f3a2210> is broken", "<Order object at 0x10ff> is broken"),
    ("commit a1b2c3d4 broke the import", "commit 77f0e1c2 broke the import"),
    ("order B07XJ8C8F5 was lost again", "order B09ZK2D1Q7 was lost again"),
    ("upload 6f1ed002-ab5f-4a6b-8e1c-2c963f66afa6 broke", "upload 00000000-1111-4a6b-8e1c-2c963f66afa6 broke"),
    ("feed file /data/shops/otto/feed.csv is gone", "feed file /data/shops/anna/feed.csv is gone"),
    ("the folder /srv/anna/feeds is gone", "the folder /srv/otto/feeds is gone"),
    ("took 5ms instead of 30 s", "took 1200ms instead of 2.5 s"),
    ("balance is -5 euro only", "balance is 12,50 euro only"),
    ("refused on Fri, 20 Nov 2026 08:00:01 again", "refused on Monday, 3 May 2027 18:10:59 again"),
    ("refused at Nov 20 08:00:01 by partner", "refused at May 3 18:10:59 by partner"),
    ("[20/Nov/2026:08:00:01] refused by partner", "[03/May/2027:18:10:59] refused by partner"),
    ("ERROR 2026-11-20 08:00:01,123 partner refused it", "ERROR 2027-05-03 18:10:59,7 partner refused it"),
    ("connection to host db.shop.invalid broke", "connection to host sql.market.test broke"),
    ("no answer came from shop-1.market.example today", "no answer came from shop-22.market.example today"),
    ("no answer by shop7.market.io today", "no answer by a-b.market.fr today"),
    ("no answer by market.shop:8080 today", "no answer by partner.shop:81 today"),
    ("mail to a.b@example.com was refused", "mail to owner@shop.example.org was refused"),
]


@pytest.mark.parametrize(("one", "other"), SAY_THE_SAME)
def test_what_says_the_same_has_one_shape(one: str, other: str) -> None:
    assert shape_of(one)
    assert shape_of(one) == shape_of(other)


@pytest.mark.parametrize("message", ["Error 4711", "failed", "KeyError: 17", "job failed: 12", "[1, 2, 3]", "was not"])
def test_what_says_hardly_anything_has_no_shape_and_so_is_not_remembered(message: str) -> None:
    assert shape_of(message) == ""


TRACEBACK = "Traceback (most recent call last):\n" + "\n".join(
    f'  File "/srv/jobs/shop/step_{number}.py", line {number}, in step\n    return go_on(order, again=True)'
    for number in range(9)
)


@pytest.mark.parametrize("length", [3, 9, 40])
def test_the_last_line_of_a_traceback_counts(length: int) -> None:
    frames = "\n".join(TRACEBACK.splitlines()[:length])
    ends = [
        "ContractEnded: the contract has ended",
        "TitleTooLong: the title is too long",
        "TitleTooLong: " + "x " * 900,
    ]
    shapes = {shape_of(f"{frames}\n{end}") for end in ends}
    assert len(shapes) == 3
    assert all("contractended" in shape or "titletoolong" in shape for shape in shapes)


SENTENCE = "The article could not be sent to {url} since its price is missing; "


@pytest.mark.parametrize("sentences", [1, 5, 9, 12, 15, 30])
def test_a_message_has_one_shape_however_long_its_addresses_are(sentences: int) -> None:
    shapes = set()
    for length in range(20):
        url = f"https://api.example.com/{'x' * (7 * length)}"
        shapes.add(shape_of("Import broke. " + SENTENCE.format(url=url) * sentences + "Ask the partner."))
    assert len(shapes) <= 2, "one where all of it is read, one where it is cut"
    if sentences not in (9, 12):
        assert len(shapes) == 1


@given(st.text("abc \n.:/'" + "…7", max_size=200), st.integers(1, 60), st.text(max_size=300))
def test_a_message_has_the_shape_of_what_a_case_keeps_of_it(piece: str, times: int, end: str) -> None:
    message = (piece * times + end).strip()
    kept = abridged(message)
    assert len(kept) <= READ
    assert abridged(kept) == kept
    assert shape_of(kept) == shape_of(message)


def test_another_answer_is_another_shape_for_it_means_something_else() -> None:
    assert shape_of("HTTP 401: see below") != shape_of("HTTP 503: see below")


def test_the_nearest_likenesses_are_named_with_their_cause_and_nothing_that_is_not_like_it() -> None:
    known: list[tuple[str, str, list[str]]] = [
        ("the token is refused", "expired_token", ["token (is )?(refused|expired)"]),
        ("a basket is odd", "sync", ["the basket of … could not be booked"]),
        ("the disk is full", "our_platform", ["no space left on device"]),
    ]
    found = nearest(shape_of("The basket 77 could not be counted"), known)
    assert [(one.name, one.cause) for one in found] == [("a basket is odd", "sync")]
    assert nearest("", known) == []


HOSTILE = (
    *(
        "a.",
        "a-",
        "a.b-",
        "1-",
        "/a",
        "'",
        "[:",
        "x@",
        "http://",
        "ab1-",
        "[",
        ":",
        "\u2026",
        "\u2026 ",
        "a",
        "1",
        "a1",
    ),
    *(
        "code ",
        "sqlstate[",
        "_",
        "'\u2026",
        "1.",
        "fri, ",
        "' ",
        "0x",
        "f1-",
        "(#1",
        "error: ",
        "a:1",
        "\n",
        "mon 1 ",
        "e",
    ),
)


@pytest.mark.parametrize("ready", [shape_of, lambda text: nearest(text, [("x", "y", [text])])])
def test_a_message_that_wants_to_take_forever_does_not(ready: Callable[[str], object]) -> None:
    for piece in HOSTILE:
        ready(piece * 50_000)


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_shape_is_made_in_no_time(piece: str) -> None:
    text = (piece * READ)[:READ]
    took = []
    for _ in range(3):
        start = time.process_time()
        shape_of(text)
        took.append(time.process_time() - start)
    assert min(took) < 0.5
