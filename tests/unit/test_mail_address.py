"""Mail addresses as people write them: what is read, what is refused with which words, and what is the same."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.config.mail_address import (
    addresses_in,
    ascii_address,
    comparable,
    domain_of,
    one_address,
    tidied,
    usable_address,
)
from caseproof.domain.errors import BadInput

A, B = "anna@example.com", "ben@shop.example.com"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        pytest.param(A, [("", A)], id="an address"),
        pytest.param(f"  {A}\n", [("", A)], id="spaces around it"),
        pytest.param(f"\ufeff{A}\u200b", [("", A)], id="zero widths and a byte order mark around it"),
        pytest.param("an\u00adna@exam\u200bple\u2060.com\u200e", [("", A)], id="invisible characters within it"),
        pytest.param(f"\u00a0{A}\u202f", [("", A)], id="spaces that do not break"),
        pytest.param(f"Anna Meyer <{A}>", [("Anna Meyer", A)], id="a name before it"),
        pytest.param(f'"Meyer, Anna" <{A}>', [("Meyer, Anna", A)], id="a quoted name with a comma"),
        pytest.param(f"Meyer, Anna <{A}>", [("Meyer, Anna", A)], id="a name with a comma, not quoted"),
        pytest.param(f"Anna\nMeyer\n<{A}>", [("Anna Meyer", A)], id="a name over two lines"),
        pytest.param(f'"A \\"B\\" C" <{A}>', [('A "B" C', A)], id="a quoted name with quotes"),
        pytest.param(f"'{A}' <{A}>", [("", A)], id="an address in place of the name"),
        pytest.param(f"{A} <mailto:{A}>", [("", A)], id="an address and its link"),
        pytest.param(f"<{A}>", [("", A)], id="brackets"),
        pytest.param(f"MAILTO:{A}?subject=Hello%20you", [("", A)], id="a link with a subject"),
        pytest.param("mailto:anna%40example.com", [("", A)], id="a link that is encoded"),
        pytest.param(f"{A};{B}", [("", A), ("", B)], id="two with a semicolon"),
        pytest.param(f"{A}, {B},", [("", A), ("", B)], id="two with a comma, and one at the end"),
        pytest.param(f"{A}\r\n{B}", [("", A), ("", B)], id="two lines"),
        pytest.param(f"{A}\v{B}", [("", A), ("", B)], id="two lines of a word processor"),
        pytest.param(f"{A}\u2028{B}", [("", A), ("", B)], id="two lines by U+2028"),
        pytest.param(f"Meyer, Anna <{A}>; Ben <{B}>", [("Meyer, Anna", A), ("Ben", B)], id="two as Outlook copies"),
        pytest.param(f"{A}; ANNA@Example.com", [("", A)], id="the same one twice"),
        pytest.param("o'brien+x@example.com", [("", "o'brien+x@example.com")], id="an apostrophe and a plus"),
        pytest.param("anna@mu\u0308ller.example", [("", "anna@m\u00fcller.example")], id="an umlaut in two characters"),
        pytest.param("anna@xn--mller-kva.example", [("", "anna@xn--mller-kva.example")], id="an umlaut as DNS has it"),
        pytest.param(" ;\n, ", [], id="only what divides"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_an_address_is_read_however_a_person_writes_it(written: str, found: list[tuple[str, str]]) -> None:
    assert addresses_in(written) == found


@pytest.mark.parametrize(
    ("written", "says"),
    [
        pytest.param("anna", "it has no @", id="a word"),
        pytest.param("anna at example.com", "it has no @", id="at in letters"),
        pytest.param(f"{A} {B}", "it has a space in it", id="two with a space between"),
        pytest.param("anna meyer@example.com", "it has a space in it", id="a space in the name"),
        pytest.param("anna@meyer@example.com", "it has more than one @", id="two signs"),
        pytest.param(f"{A}/ben@example.com", "it has more than one @", id="two with a slash"),
        pytest.param("anna@example.com.", "it ends with a dot. Next: Take the dot away", id="a dot at the end"),
        pytest.param(f'"{A}', "a quotation mark is not closed", id="a quote that is not closed"),
        pytest.param(f'"Anna <{A}>', "a quotation mark that is not closed", id="a name's quote that is not closed"),
        pytest.param(f'"{A}"', "it has quotation marks", id="quotes around it"),
        pytest.param(f"'{A}", "it begins with an apostrophe", id="an apostrophe before it"),
        pytest.param(f"<{A}", "'<' cannot stand in it", id="a bracket that is not closed"),
        pytest.param(f"{A} (private)", "'(' cannot stand in it", id="a remark behind it"),
        pytest.param("@example.com", "nothing stands before the @", id="nothing before the sign"),
        pytest.param("anna@", "nothing stands behind the @", id="nothing behind the sign"),
        pytest.param(".anna@example.com", "a dot stands where none can", id="a dot before it"),
        pytest.param("an..na@example.com", "a dot stands where none can", id="two dots"),
        pytest.param("anna.@example.com", "a dot stands where none can", id="a dot before the sign"),
        pytest.param("anna@example", "has no dot", id="half a domain"),
        pytest.param("anna@example..com", "is no domain name", id="two dots in the domain"),
        pytest.param("anna@-example.com", "is no domain name", id="a hyphen before the domain"),
        pytest.param("anna@exa_mple.com", "is no domain name", id="an underscore in the domain"),
        pytest.param("anna@192.0.2.1", "is no domain name", id="a number for a domain"),
        pytest.param("anna@m\u00fcl_ler.example", "is no domain name", id="an underscore beside an umlaut"),
        pytest.param("b\u00fcro@example.com", "'\u00fc' stands before the @", id="an umlaut before the sign"),
        pytest.param("an\x00na@example.com", "cannot stand in it", id="a control character"),
        pytest.param("an\ufffdna@example.com", "cannot stand in it", id="a lost letter"),
        pytest.param("a" * 65 + "@example.com", "more than 64 characters", id="too long before the sign"),
        pytest.param("a@" + "example." * 40 + "com", "it is too long", id="too long"),
        pytest.param(f"{A}; Ben", "'Ben' is not a mail address", id="a second one that is none"),
        pytest.param(f"Ben, {A}", "'Ben' is not a mail address", id="a first one that is none"),
        pytest.param('"\\"' * 40_000, "goes on for 120000 characters", id="a whole text"),
        pytest.param(f"{B} <{A}>", "holds more than one address", id="another address for a name"),
    ],
)
def test_what_no_sender_could_ever_match_is_refused_with_what_to_do(written: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        addresses_in(written)
    assert says in str(refused.value)
    assert refused.value.next_action


@pytest.mark.parametrize(("written", "says"), [(f"{A};{B}", "more than one"), (" \u200b", "it is empty")])
def test_where_one_is_asked_for_one_is_taken(written: str, says: str) -> None:
    assert one_address(f"Anna <{A}>") == ("Anna", A)
    with pytest.raises(BadInput, match=says):
        one_address(written)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna@Example.COM", "anna@example.com"),
        ("anna@m\u00fcller.example", "anna@xn--mller-kva.example"),
        ("anna@M\u00dcLLER.example", "anna@XN--MLLER-KVA.example"),
        ("anna@mu\u0308ller.example", "anna@m\u00fcller.example"),
        ("anna@stra\u00dfe.example", "anna@xn--strae-oqa.example"),
    ],
)
def test_two_spellings_of_one_address_are_the_same(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)
    assert comparable(one).isascii()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anna@stra\u00dfe.example", "anna@strasse.example"),  # two owners, though Python's own IDNA takes one for both
        ("anna@m\u00fcller.example", "anna@mueller.example"),
        ("\u212aate@example.com", "kate@example.com"),
        ("anna@ex\u0430mple.com", "anna@example.com"),  # a Cyrillic letter
        ("anna@example.com.", "anna@example.com"),
    ],
)
def test_what_only_looks_alike_is_another_address(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


def test_mail_to_an_umlaut_domain_goes_to_that_domain_and_to_no_other() -> None:
    assert ascii_address("anna@stra\u00dfe.example") == "anna@xn--strae-oqa.example"
    assert ascii_address("anna@m\u00fcller.example") == "anna@xn--mller-kva.example"
    for none in ("anna@m\u00fcl_ler.example", "anna@" + "\u00fc" * 300):
        with pytest.raises(BadInput, match="is not a domain name"):
            ascii_address(none)


def test_a_domain_that_cannot_be_equals_itself_alone_and_takes_no_time() -> None:
    odd = "\u00fc\u200d" * 5000
    started = time.process_time()
    assert domain_of(f"a@{odd}") == odd
    assert domain_of("a@" + "\u00fc\u0661\u200d." * 60)
    assert time.process_time() - started < 1


def test_joiners_stay_in_names_that_need_them() -> None:
    assert tidied("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u200c A\u200dB") == (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 AB"
    )


LOCAL = st.text(string.ascii_letters + string.digits + "_+-'", min_size=1, max_size=20).map(lambda text: f"x{text}")
DOMAIN = st.lists(st.text("abc\u00e4\u00f6\u00fc\u00df19", min_size=1, max_size=10), min_size=1, max_size=3).map(
    lambda labels: ".".join([*labels, "example"])
)
NOISE = st.sampled_from(["", "\u200b", "\u00ad", "\ufeff", "\u200e", "\u2060"])


@given(
    st.lists(st.tuples(LOCAL, DOMAIN), min_size=1, max_size=4),
    st.sampled_from([";", ",", "\n", "; ", ",\u00a0"]),
    NOISE,
)
def test_addresses_come_back_as_they_went_in_and_match_their_own_senders(
    people: list[tuple[str, str]], divides: str, noise: str
) -> None:
    given = [f"{local}@{domain}" for local, domain in people]
    found = [address for _, address in addresses_in(divides.join(f"{noise}{one}{noise}" for one in given))]
    assert list(map(comparable, found)) == list(dict.fromkeys(map(comparable, given)))
    for address in found:
        assert usable_address(address) == address
        assert comparable(ascii_address(address)) == comparable(address)
