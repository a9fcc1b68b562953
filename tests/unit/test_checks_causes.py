"""What messages of failed runs mean: a table of real ones, of traps, and what keeps the list quick and honest."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from caseproof.checks.causes import answer_in, classify
from caseproof.checks.facts import SHAPES
from caseproof.config.policy_check import Patience, Signature, built_in_signatures
from caseproof.domain.vocabulary import CAUSES
from tests.support.check_frames import history, run, seen

BUILT_IN = built_in_signatures()
CORPUS = Path(__file__).parents[1] / "corpus"
FLOW = "Flow run encountered an exception: "
GET = "JobFailed: GET http://bazaar.example.com/orders answered "
TOKEN, GONE, PAGE, FEED = "expired_token", "retailer_offboarded", "website_changed", "feed"
SYNC, CONNECTION, OURS, UNKNOWN = "sync", "connection", "our_platform", "unknown"
HELD_OUT_RIGHT = 110
"""So many of the held-out messages are told right at least."""

TABLE: dict[str, tuple[str, int]] = {
    # the token: at once
    GET + '401: {"detail": "token expired"}': (TOKEN, 1),
    GET + '401: {"detail": "session timed out"}': (TOKEN, 1),
    "HTTPStatusError: Client error '401 Unauthorized' for url 'https://api.example.com/v2/orders'": (TOKEN, 1),
    "HTTPError: 401 Client Error: Unauthorized for url: https://api.example.com/orders": (TOKEN, 1),
    "urllib.error.HTTPError: HTTP Error 401: Unauthorized": (TOKEN, 1),
    "ClientResponseError: 401, message='Unauthorized', url='https://api.example.com'": (TOKEN, 1),
    "ApiException: (401)\nReason: Unauthorized": (TOKEN, 1),
    'JobFailed: {"code":"rest_cannot_view","message":"Sorry.","data":{"status":401}}': (TOKEN, 1),
    "401 Unauthorized from the marketplace: the access token expired": (TOKEN, 1),
    "JobFailed: status code: 401": (TOKEN, 1),
    "OAuthError: invalid_grant: refresh token is too old": (TOKEN, 1),
    "ClientError: An error occurred (ExpiredToken) when calling the PutObject operation": (TOKEN, 1),
    "jwt.exceptions.ExpiredSignatureError: Signature has expired": (TOKEN, 1),
    # the token, only in words: not at once
    "ValueError: the access token has expired": (TOKEN, 2),
    "JobFailed: your API key was revoked": (TOKEN, 2),
    "JobFailed: invalid access token": (TOKEN, 2),
    'JobFailed: {"code": "UNAUTHORIZED", "message": "no"}': (TOKEN, 3),
    # the retailer
    GET + '403: {"error": "seller_dropped", "message": "garden-shop no longer sells here."}': (GONE, 2),
    GET + '404: {"error": "seller_unknown", "message": "There is no seller called \'garden-shop\'."}': (GONE, 2),
    GET + "403: seller account is closed": (GONE, 2),
    "403 Forbidden: this retailer is no longer active on the marketplace": (GONE, 2),
    GET + '410: {"detail": "merchant terminated"}': (GONE, 2),
    "JobFailed: GET https://api.example.com/sellers/garden-shop answered 410: Gone": (GONE, 3),
    "JobFailed: your seller account has been suspended": (GONE, 3),
    GET + "402: Payment Required": (GONE, 3),
    GET + "423: Locked": (GONE, 3),
    # the website
    "playwright._impl._errors.TimeoutError: Page.click: Timeout 30000ms exceeded.\nCall log:\n"
    '  - waiting for locator("#login")': (PAGE, 3),
    "NoSuchElementException: Message: no such element: Unable to locate element": (PAGE, 3),
    "Element not found: price (has the website changed?)": (PAGE, 3),
    "AttributeError: 'NoneType' object has no attribute 'text'": (PAGE, 3),
    "JobFailed: unexpected page title 'Are you human?': captcha": (PAGE, 3),
    "JobFailed: GET https://shop.example.com/products answered 404: Not Found": (PAGE, 3),
    GET + "405: Method Not Allowed": (PAGE, 3),
    # the feed
    "JobFailed: GET https://shop.example.com/feed.csv answered 404: Not Found": (FEED, 3),
    "JobFailed: http://shop.example.com/catalog.csv is not CSV with a price in each line: KeyError('price')": (FEED, 3),
    "JobFailed: http://shop.example.com/catalog.csv holds no article.": (FEED, 3),
    "pandas.errors.ParserError: Error tokenizing data. C error: Expected 5 fields in line 3, saw 6": (FEED, 3),
    "pandas.errors.EmptyDataError: No columns to parse from file": (FEED, 3),
    "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)": (FEED, 3),
    "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xfc in position 12": (FEED, 3),
    "Feed rejected: the column 'gtin' is missing in line 1": (FEED, 3),
    "ValueError: column 'price' not found; the feed has: sku, name, preis": (FEED, 3),
    "ftplib.error_perm: 550 feed.csv: No such file or directory": (FEED, 3),
    # the sync
    "JobFailed: 18 of 20 stock lines were accepted.": (SYNC, 3),
    GET + '422: {"detail": "quantity must be 0 or more"}': (SYNC, 3),
    GET + '409: {"detail": "version conflict"}': (SYNC, 3),
    'IntegrityError: duplicate key value violates unique constraint "orders_pkey"': (SYNC, 3),
    # the connection: what passes by itself has to last
    "httpx.ReadTimeout: The read operation timed out": (CONNECTION, 5),
    "ConnectTimeout: timed out while connecting to bazaar.example.com": (CONNECTION, 5),
    "TimeoutError: [Errno 110] Connection timed out": (CONNECTION, 5),
    "httpx.ConnectError: [Errno -2] Name or service not known": (CONNECTION, 5),
    "httpx.ConnectError: [Errno -3] Temporary failure in name resolution": (CONNECTION, 5),
    "httpx.ConnectError: [Errno 111] Connection refused": (CONNECTION, 5),
    "httpx.RemoteProtocolError: Server disconnected without sending a response.": (CONNECTION, 5),
    "ConnectionResetError: [Errno 104] Connection reset by peer": (CONNECTION, 5),
    "Connection refused by sftp.example.com:22": (CONNECTION, 5),
    "Flow run exceeded timeout of 60.0 second(s)": (CONNECTION, 5),
    GET + "502: <html>Bad Gateway</html>": (CONNECTION, 5),
    "Server error '500 Internal Server Error' for url 'https://api.example.com'": (CONNECTION, 5),
    GET + "403: your account is temporarily blocked": (CONNECTION, 10),
    GET + "503: we are in scheduled maintenance": (CONNECTION, 10),
    "ssl.SSLError: [SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error": (CONNECTION, 4),
    GET + "403: Forbidden": (CONNECTION, 3),
    "JobFailed: the upload took too long": (CONNECTION, 5),
    "ftplib.error_perm: 530 Login incorrect.": (CONNECTION, 3),
    'OperationalError: FATAL: password authentication failed for user "shop"': (CONNECTION, 3),
    # ours
    GET + '429: {"detail": "slow down"}': (OURS, 10),
    "HTTPStatusError: Client error '429 Too Many Requests' for url 'https://api.example.com'": (OURS, 10),
    GET + "403: API rate limit exceeded": (OURS, 10),
    GET + "407: Proxy Authentication Required": (OURS, 3),
    "Flow run process exited with non-zero status code 137.": (OURS, 5),
    "Flow run infrastructure exited with non-zero status code -9.": (OURS, 5),
    "Execution was cancelled by the runtime environment.": (OURS, 5),
    "MemoryError": (OURS, 5),
    "OSError: [Errno 28] No space left on device": (OURS, 5),
    "sqlite3.OperationalError: database is locked": (OURS, 5),
    "ModuleNotFoundError: No module named 'shop_connectors'": (OURS, 3),
    "Request to http://127.0.0.1:4200/api/flow_runs/ failed: httpx.ConnectError: all attempts failed.": (OURS, 5),
    # nobody knows
    "ZeroDivisionError: division by zero": (UNKNOWN, 3),
    "KeyError: 'price'": (UNKNOWN, 3),
    "Something broke.": (UNKNOWN, 3),
    "": (UNKNOWN, 3),
}

TRAPS: dict[str, tuple[str, int]] = {
    # a 401 that is no answer
    "ValueError: order 401 has no address": (UNKNOWN, 3),
    "ValueError: order 404 not found in the shop": (UNKNOWN, 3),
    "ValueError: order 401 unauthorized by the buyer": (UNKNOWN, 3),
    "ValueError: order status 401 is not known": (UNKNOWN, 3),
    "ValueError: line 401: price 401.00 is not a number": (UNKNOWN, 3),
    "JobFailed: invoice over 401 EUR is open": (UNKNOWN, 3),
    "JobFailed: 401 items were sent, none was taken": (UNKNOWN, 3),
    "JobFailed: the feed returned 401 rows, expected 500": (UNKNOWN, 3),
    "JobFailed: the total is 1,401: too much": (UNKNOWN, 3),
    "KeyError: 'SKU-401'": (UNKNOWN, 3),
    "JobFailed: error: 401 of 500 lines were accepted": (SYNC, 3),
    "JobFailed: article 4012345 has no price": (FEED, 3),
    "JobFailed: no answer to run 0b401401-0401-4401-8401-401401401401 (2026-04-01T04:01:40.401)": (UNKNOWN, 3),
    # a "token" that is none
    "JobFailed: product 'Token Ring Adapter, expired stock' has no price": (FEED, 3),
    'JobFailed: product "Invalid Token (board game)" has no gtin': (FEED, 3),
    "xml.etree.ElementTree.ParseError: not well-formed (invalid token): line 1, column 5": (FEED, 3),
    "SyntaxError: Unexpected token < in JSON at position 0": (FEED, 3),
    "JobFailed: the page has no CSRF token": (PAGE, 3),
    # a message that quotes an earlier one: what went wrong now decides
    GET + '503: {"detail": "upstream busy; an earlier call answered 401 token expired"}': (CONNECTION, 5),
    "httpx.ReadTimeout: timed out (an hour ago the same call answered 401)": (CONNECTION, 5),
    "JobFailed: the previous run answered 401; this one found no order": (UNKNOWN, 3),
    GET + '500: {"detail": "token table is locked"}': (CONNECTION, 5),
    # "expired", but not the token
    "ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired (_ssl.c:1006)": (CONNECTION, 4),
    # a 401 of our own house is no retailer's
    "prefect.exceptions.PrefectHTTPStatusError: Client error '401 Unauthorized' for url "
    "'http://127.0.0.1:4200/api/block_documents/'": (OURS, 5),
    "ClientError: An error occurred (ExpiredTokenException) when calling the RegisterTaskDefinition operation": (
        OURS,
        5,
    ),
    # a token that is no key to a marketplace
    "JobFailed: csrf_token_invalid": (PAGE, 3),
    # a shop in an address is not a shop that is gone
    "JobFailed: GET https://shop.example.com/seller/offers answered 404: Not Found": (PAGE, 3),
}


def messages_of(name: str) -> dict[str, list[str]]:
    """The messages of a list in tests/corpus, each with the causes that are right."""
    told = yaml.load((CORPUS / f"{name}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return {one["says"]: one["expect"] for one in told}


GIVEN, OURS_TO_SEE, HELD_OUT = map(messages_of, ("causes_given", "causes", "held_out_causes"))
"""Real messages that came with the issue; those the signatures were written with; those that only measure them."""


def signature_of(message: str, signatures: Sequence[Signature]) -> str:
    (name,) = classify([message], signatures)
    return name


def judged(message: str) -> tuple[str, int]:
    name = signature_of(message, BUILT_IN)
    found = next((one for one in BUILT_IN if one.name == name), None)
    return (str(found.cause), found.failures) if found else (UNKNOWN, Patience().failures)


@pytest.mark.parametrize("message", [*TABLE, *TRAPS])
def test_a_message_has_the_cause_and_the_patience_of_the_table(message: str) -> None:
    expected = {**TABLE, **TRAPS}[message]
    assert judged(message) == expected
    assert judged(FLOW + message) == expected


def test_the_table_is_long_and_has_every_cause() -> None:
    assert len(TABLE) + len(TRAPS) >= 100
    assert {cause for cause, _ in TABLE.values()} == set(CAUSES)


def test_every_built_in_signature_is_met_by_a_message() -> None:
    met = {signature_of(message, BUILT_IN) for message in {**TABLE, **TRAPS, **GIVEN, **OURS_TO_SEE}}
    assert [one.name for one in BUILT_IN if one.name not in met] == []


@pytest.mark.parametrize("before", ["", FLOW], ids=["alone", "as Prefect tells it"])
@pytest.mark.parametrize("messages", [GIVEN, OURS_TO_SEE], ids=["given", "ours to see"])
def test_every_real_message_has_a_cause_that_is_right(messages: dict[str, list[str]], before: str) -> None:
    told = {message: judged(before + message)[0] for message in messages}
    assert {message: cause for message, cause in told.items() if cause not in messages[message]} == {}


def test_messages_that_the_signatures_were_not_written_for_are_mostly_told_right() -> None:
    wrong = {message: judged(message)[0] for message, right in HELD_OUT.items() if judged(message)[0] not in right}
    assert len(HELD_OUT) - len(wrong) >= HELD_OUT_RIGHT, "\n".join(f"{cause}: {said}" for said, cause in wrong.items())


def test_no_fault_of_ours_is_blamed_on_anybody_else() -> None:
    ours = [one for one, right in {**GIVEN, **OURS_TO_SEE, **HELD_OUT}.items() if right == [OURS]]
    assert len(ours) >= 100
    assert [(judged(one)[0], one) for one in ours if judged(one)[0] not in {OURS, UNKNOWN}] == []


def test_what_nobody_knows_is_blamed_on_nobody() -> None:
    nobodys = [one for one, right in {**GIVEN, **OURS_TO_SEE, **HELD_OUT}.items() if right == [UNKNOWN]]
    assert [(judged(one)[0], one) for one in nobodys if judged(one)[0] != UNKNOWN] == []


SLOW_DOWN = (
    '429 { "errors": [ { "message": "You exceeded your quota", "code": "QuotaExceeded" } ] }',
    '{"errors":[{"code":"QuotaExceeded"}]}',
    '[403] {"error":{"status":"RESOURCE_EXHAUSTED"}}',
    "Exceeded 2 calls per second for api client. Reduce request rates.",
    "Service call has exceeded the number of times the operation is allowed to be called",
    "One or more errors occurred. (Rate exceeded)",
    '401 {"error":"too_many_requests"}',
    "HTTP 503: Slow Down",
)


@pytest.mark.parametrize("message", SLOW_DOWN)
def test_a_rate_limit_is_ours_and_stops_no_job_before_its_own_patience(message: str) -> None:
    assert judged(message) == (OURS, 10)
    rows = [run("job", "F", one.started_at, one.ended_at, message=message) for one in history("job", "F" * 10)]
    assert seen(rows[1:])[0].at["job", "verdict"] == "watched"
    assert seen(rows)[0].at["job", "verdict"] == "failing"


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answers_code_is_read_in_every_shape(shape: str) -> None:
    assert answer_in(shape) == 404
    assert answer_in(f"SomeError: {shape}") == 404


@pytest.mark.parametrize("shape", SHAPES)
def test_a_code_of_an_order_is_no_answer_in_any_shape(shape: str) -> None:
    assert answer_in(shape.replace("404", "order 404")) is None
    assert answer_in(shape.replace("404", "line 404")) is None


def test_a_code_is_whole_and_its_spelling_does_not_matter() -> None:
    own = [Signature(name="own", cause="feed", codes=("stale_token", "Unauthorized", "31337"))]
    for message in (
        "it said stale_token",
        "StaleToken: no",
        '{"x": "STALE_TOKEN"}',
        "x.StaleToken",
        "error=stale-token",
    ):
        assert signature_of(message, own) == "own", message
    for message in ("a stale token", "stale_tokens", "StaleTokenError", "stale"):
        assert signature_of(message, own) == "", message


def test_a_word_or_a_number_is_a_code_only_where_programs_put_codes() -> None:
    own = [Signature(name="own", cause="feed", codes=("Unauthorized", "31337"))]
    for message in ('{"code": "Unauthorized"}', "{ code: 'Unauthorized' }", "error=unauthorized", "Error (31337): no"):
        assert signature_of(message, own) == "own", message
    for message in ("the buyer is Unauthorized", "order 31337 failed", '{"error": "Unauthorized by the buyer"}'):
        assert signature_of(message, own) == "", message


def test_a_frame_is_how_a_message_begins() -> None:
    own = [Signature(name="own", cause="feed", frames=("Job * was lost:",))]
    for message in (
        "Job feed-7 was lost: no",
        "job x WAS LOST: y",
        FLOW + "Job x was lost: y",
        "CrashedRun: Job x was lost: y",
    ):
        assert signature_of(message, own) == "own", message
    assert signature_of("It says: Job x was lost: y", own) == ""
    assert signature_of("Job x\nwas lost:", own) == ""


@pytest.mark.parametrize(
    "theirs",
    [
        "answered 500: {words}", 'HTTP 400 {{"error":"{words}"}}', '{{"error": "{words}"}}', "shop said: {words}",
        "<html><title>{words}</title>", "Failure Origin: source, Message: {words}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", ["the database is locked", "OutOfMemoryError", "no module named shop"])
def test_what_is_ours_in_our_own_words_is_theirs_in_their_answer(theirs: str, words: str) -> None:
    assert judged(f"Error: {words}")[0] == OURS
    assert judged(theirs.format(words=words))[0] != OURS


def test_codes_words_and_frames_are_ways_and_an_answer_narrows_them() -> None:
    own = [Signature(name="own", cause="feed", http=(404,), codes=("NoFeed",), says=("feed is gone",))]
    assert signature_of("answered 404: NoFeed", own) == "own"
    assert signature_of("answered 404: the feed is gone", own) == "own"
    assert signature_of("answered 404: no", own) == ""
    assert signature_of("answered 500: NoFeed", own) == ""


def test_only_an_answer_or_a_machines_word_stops_a_job_at_once() -> None:
    tokens = {"the token is refused", "the token has run out"}
    assert {one.name for one in BUILT_IN if one.failures == 1} == {*tokens, "WooCommerce disabled a webhook"}


def test_what_may_pass_by_itself_comes_before_what_is_stopped_soon() -> None:
    first_soon = next(number for number, one in enumerate(BUILT_IN) if one.failures == 1)
    later = [one for one in BUILT_IN[first_soon:] if one.failures > 5]
    assert later == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("answered 503, an earlier call answered 401", 503),
        ("yesterday it answered 401. Now it answered 503: busy", 503),
        ("answered 200 but 401 lines are wrong", None),
        ("HTTP/1.1 404 Not Found", 404),
        ("status=410", 410),
        ("HTTP 4010", None),
        ("status: 401.5", None),
        ("Error 401/402 of the list", None),
    ],
)
def test_only_the_first_answer_counts_and_no_number_that_looks_like_one(message: str, code: int | None) -> None:
    assert answer_in(message) == code


def test_the_first_signature_that_fits_decides() -> None:
    first, second = (Signature(name=name, cause="feed", says=("broken",)) for name in ("first", "second"))
    assert signature_of("It is BROKEN.", [first, second]) == "first"
    assert signature_of("It is BROKEN.", [second, first]) == "second"


def test_a_signature_with_codes_and_words_needs_both() -> None:
    both = [Signature(name="both", cause="feed", http=(404,), says=("Feed",))]
    assert signature_of("answered 404: no feed", both) == "both"
    assert signature_of("answered 404: no page", both) == ""
    assert signature_of("answered 500: no feed", both) == ""


def test_expressions_may_be_written_in_capitals_and_with_classes_of_them() -> None:
    own = [Signature(name="own", cause="feed", says=(r"ERR-[A-F]\d+\S",))]
    assert signature_of("it said err-c17!", own) == "own"
    assert signature_of("it said err-z17!", own) == ""


def test_the_beginning_and_the_end_of_a_long_message_are_searched() -> None:
    noise = "x " * 50_000
    assert judged("answered 401: no " + noise) == (TOKEN, 1)
    assert judged(noise + " answered 401: no") == (TOKEN, 1)
    assert judged(noise + " answered 401: no " + noise) == (UNKNOWN, 3)


def test_messages_that_differ_in_ids_and_times_alone_are_looked_at_once() -> None:
    """A hundred thousand failures a pass are usual in a storm; looking at each would take a minute."""
    messages = [f"{FLOW}JobFailed: run {uuid.uuid4()} answered 401: no" for _ in range(20_000)]
    begin = time.process_time()
    assert set(classify(messages, BUILT_IN)) == {"the token is refused"}
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    "hostile",
    [
        "column ",
        "seller ",
        "4",
        "401 ",
        "element ",
        "' ",
        "\n",
        "HTTP ",
        "550 ",
        "1 of 1 ",
        "account ",
        "product ",
        "token ",
        "code: ",
        "{",
        "GET /a ",
        "Aa_",
        "token_",
        "[401 ",
        "http ",
        "process '",
        "flow run '",
        "connection to ",
        "product_",
        "invalidproduct",
        "waiting for ",
        "sh: ",
        "selling for a ",
        "field is not ",
    ],
)
def test_no_message_makes_the_built_in_expressions_slow(hostile: str) -> None:
    begin = time.process_time()
    signature_of(hostile * (200_000 // len(hostile)), BUILT_IN)
    assert time.process_time() - begin < 1


def test_the_built_in_signatures_stand_on_the_page_in_their_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "daily-check.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+?) \| `(\w+)` \| (.*?) \| (\d+) \|$", page, re.MULTILINE)
    assert [(int(number), name, cause, int(failures)) for number, name, cause, _, failures in rows] == [
        (number, one.name, one.cause, one.failures) for number, one in enumerate(BUILT_IN, 1)
    ]
    assert [codes for *_, codes, _ in rows] == [", ".join(map(str, one.http)) or "any" for one in BUILT_IN]


def test_what_does_not_pass_by_itself_has_a_day_and_all_else_three() -> None:
    assert {(one.failures > 2, one.days) for one in BUILT_IN if one.failures > 1} == {(False, 1), (True, 3)}
