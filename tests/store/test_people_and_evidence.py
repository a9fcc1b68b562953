"""Retailers, who may speak for them, and which files belong to a case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from caseproof.domain.errors import BadInput
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import Contact, EvidenceRow, UnknownCase
from caseproof.store.tables import contacts

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def test_a_contact_brings_its_retailer_and_is_known_in_any_case(store):
    with store.uow() as uow:
        uow.people.add_contact("Bäckerei", " Owner@Example.com ", "The owner")
        uow.people.add_contact("Bäckerei", "shop@example.com")
        uow.people.add_retailer("Another")
        uow.people.add_retailer("Another")
        uow.commit()
    with store.reading() as uow:
        assert uow.people.retailers() == ["Another", "Bäckerei"]
        assert uow.people.contacts("Bäckerei") == [
            Contact("Bäckerei", "Owner@Example.com", "The owner"),
            Contact("Bäckerei", "shop@example.com", ""),
        ]
        assert uow.people.is_contact("Bäckerei", "OWNER@example.COM")
        assert not uow.people.is_contact("Another", "owner@example.com")
        assert not uow.people.is_contact("Nobody", "owner@example.com")
        assert uow.people.contacts("Nobody") == []


def test_the_same_address_again_changes_its_name_only(store):
    with store.uow() as uow:
        uow.people.add_contact("R", "a@example.com", "Old")
        uow.people.add_contact("R", "A@example.com", "New")
        uow.people.add_contact("R", "a@example.com")
        assert uow.people.contacts("R") == [Contact("R", "a@example.com", "New")]


def test_a_letter_that_only_looks_alike_is_another_address(store):
    with store.uow() as uow:
        uow.people.add_contact("R", "kate.strasse@example.com")
        assert uow.people.is_contact("R", " Kate.Strasse@example.com")
        assert not uow.people.is_contact("R", "\u212aate.strasse@example.com")
        assert not uow.people.is_contact("R", "kate.stra\u00dfe@example.com")


@pytest.mark.parametrize("stored", ["owner@m\u00fcller.example", "owner@xn--mller-kva.example"])
@pytest.mark.parametrize("spelt", ["OWNER@M\u00dcLLER.example", "owner@xn--mller-kva.example"])
def test_an_umlaut_domain_is_one_contact_in_either_spelling(store, stored, spelt):
    with store.uow() as uow:
        uow.people.add_contact("R", stored)
        uow.people.add_contact("R", spelt, "Owner")
        assert uow.people.contacts("R") == [Contact("R", stored, "Owner")]
        assert uow.people.is_contact("R", spelt)
        assert uow.people.mark_bounced("R", spelt, "full", START)
        uow.people.remove_contact("R", spelt)
        assert uow.people.contacts("R") == []


def test_a_contact_that_an_older_version_took_is_found_changed_and_removed(store):
    old = {"m": "Owner@M\u00fcller.example", "s": "kate@stra\u00dfe.example", "l": "stra\u00dfe@example.com"}
    with store.uow() as uow:
        uow.people.add_retailer("R")
        number = uow.people._retailer("R")
        rows = [{"retailer_id": number, "address": one, "folded": one.casefold(), "name": ""} for one in old.values()]
        uow.people._connection.execute(insert(contacts), rows)
        uow.people.add_contact("R", "owner@xn--mller-kva.example", "Owner")
        assert len(uow.people.contacts("R")) == 3
        assert uow.people.is_contact("R", "owner@m\u00fcller.example")
        assert uow.people.is_contact("R", "kate@xn--strae-oqa.example")
        assert not uow.people.is_contact("R", "kate@strasse.example")
        assert not uow.people.is_contact("R", "strasse@example.com")
        with pytest.raises(BadInput, match="looks like 'strasse"):
            uow.people.add_contact("R", "strasse@example.com")
        for one in old.values():
            uow.people.remove_contact("R", one)
        uow.people.add_contact("R", "strasse@example.com")
        assert [one.address for one in uow.people.contacts("R")] == ["strasse@example.com"]


def test_what_nobody_sees_in_a_retailer_s_name_makes_no_second_retailer(store):
    with store.uow() as uow:
        uow.people.add_contact("\ufeffGarden\u00a0 shop\u200b", "a@example.com", "An\u00adna")
        assert uow.people.contacts("Garden shop") == [Contact("Garden shop", "a@example.com", "Anna")]
        assert uow.people.is_contact("Garden\u00a0shop", "a@example.com")
        with pytest.raises(BadInput, match="cannot be kept"):
            uow.people.add_contact("Garden shop", "b@example.com", "A\x1b[0m")


def test_a_removed_contact_speaks_for_nobody(store):
    with store.uow() as uow:
        uow.people.add_contact("R", "a@example.com")
        uow.people.add_contact("S", "a@example.com")
        uow.people.remove_contact("R", "A@EXAMPLE.COM")
        assert not uow.people.is_contact("R", "a@example.com")
        assert uow.people.is_contact("S", "a@example.com")
        with pytest.raises(BadInput, match="no contact"):
            uow.people.remove_contact("R", "a@example.com")


def test_a_contact_carries_a_language_and_a_role_and_keeps_what_is_not_given_again(store):
    with store.uow() as uow:
        uow.people.add_contact("R", "a@example.com", "Owner", " DE-at ", "  head   of sales ")
        expected = Contact("R", "a@example.com", "Owner", "de-at", "head of sales")
        assert uow.people.contacts("R") == [expected]
        uow.people.add_contact("R", "A@example.com")
        assert uow.people.contacts("R") == [expected]
        uow.people.add_contact("R", "a@example.com", language="en")
        assert uow.people.contacts("R") == [replace(expected, language="en")]


@pytest.mark.parametrize(
    "language", ["german", "d", "d3", "de_AT", "de-", "-de", "de at", "de-at\nX: y", "dé", "de-١٢"]
)
def test_what_is_no_language_is_refused(store, language):
    with store.uow() as uow:
        with pytest.raises(BadInput, match="is not a language"):
            uow.people.add_contact("R", "a@example.com", language=language)
        assert uow.people.retailers() == []


@pytest.mark.parametrize("role", ["x" * 101, "a\0b", "a\x1b[0m"])
def test_what_is_no_role_is_refused(store, role):
    with store.uow() as uow, pytest.raises(BadInput, match="cannot be kept"):
        uow.people.add_contact("R", "a@example.com", role=role)


def test_mail_that_came_back_is_noted_until_the_contact_is_given_again(store):
    later = START + timedelta(days=1)
    with store.uow() as uow:
        uow.people.add_contact("R", "a@example.com")
        uow.people.add_contact("R", "b@example.com")
        uow.people.add_contact("S", "a@example.com")
        assert uow.people.mark_bounced("R", "A@Example.com", "full", START)
        assert uow.people.mark_bounced("R", "a@example.com", "no such user\0", later)
        assert not uow.people.mark_bounced("R", "c@example.com", "no such user", later)
        assert not uow.people.mark_bounced("Nobody", "a@example.com", "no such user", later)
        both = [
            Contact("R", "a@example.com", "", bounced_at=later, bounce="no such user"),
            Contact("R", "b@example.com", ""),
        ]
        assert uow.people.contacts("R") == both
        assert uow.people.contacts("S") == [Contact("S", "a@example.com", "")]
        assert uow.people.is_contact("R", "a@example.com")
        uow.people.add_contact("R", "a@example.com")
        assert uow.people.contacts("R")[0] == Contact("R", "a@example.com", "")
        uow.people.mark_bounced("R", "a@example.com", "full", START)
        uow.people.clear_bounce("R", "A@example.com")
        uow.people.clear_bounce("R", "c@example.com")
        assert uow.people.contacts("R")[0] == Contact("R", "a@example.com", "")


@pytest.mark.parametrize(
    "address",
    ["", "a", "@example.com", "a@", "a b@example.com", "a@b@x.example", "x <a@x.example>",
     "a@x,b@x.example", "a@x.example.", "a@x", '"a@x.example', "\u00fc@x.example", "a@example.com\nBcc: b@example.com",
     "a\x00@example.com", "a" * 65 + "@example.com"],
)  # fmt: skip
def test_what_is_no_mail_address_is_refused(store, address):
    with store.uow() as uow:
        with pytest.raises(BadInput, match="not a mail address"):
            uow.people.add_contact("R", address)
        assert uow.people.retailers() == []


def test_a_retailer_needs_a_name(store):
    with store.uow() as uow, pytest.raises(BadInput):
        uow.people.add_contact("  ", "a@example.com")


@pytest.mark.usefixtures("opened")
def test_evidence_is_listed_once_a_case_and_found_by_its_digest(store, make):
    with store.uow() as uow:
        second = uow.cases.create(make.opened("job-2")).ref
        for name in ("Bild ✓.png", "another name.png"):
            uow.evidence.add("jf-000001", "d" * 64, name, "image/png", 7, make.start)
        uow.evidence.add(second, "d" * 64, "x.png", "image/png", 7, make.start)
        uow.commit()
    row = EvidenceRow("JF-000001", "d" * 64, "Bild ✓.png", "image/png", 7, make.start)
    with store.reading() as uow:
        assert uow.evidence.of("jf-000001") == [row]
        assert uow.evidence.find("d" * 64) == row
        assert uow.evidence.find("e" * 64) is None
        assert [found.ref for found in uow.evidence.of(second)] == [second]


def test_evidence_of_an_unknown_case_is_refused(store, make):
    with store.uow() as uow, pytest.raises(UnknownCase):
        uow.evidence.add("JF-000001", "d" * 64, "x", "text/plain", 1, make.start)


def test_since_when_a_contact_is_registered_stays_until_it_is_taken_off(store):
    """Whoever is registered anew after the job had failed is marked so."""
    first, later = datetime(2026, 11, 21, 6, 0, tzinfo=UTC), datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    with store.uow() as uow:
        uow.people.add_contact("R", "old@example.com")
        uow.people.add_contact("R", "a@example.com", at=first)
        uow.people.add_contact("R", "A@example.com", "Anna", at=later)
        assert uow.people.known_since("R", "A@EXAMPLE.com") == first
        assert uow.people.known_since("R", "old@example.com") is None, "nobody wrote it down then"
        assert uow.people.known_since("R", "other@example.com") is None
        uow.people.remove_contact("R", "a@example.com")
        uow.people.add_contact("R", "a@example.com", at=later)
        assert [contact.created_at for contact in uow.people.contacts("R")] == [None, later]


def test_a_retailers_cases_of_which_a_letter_told_are_found_the_newest_first(store, make):
    with store.uow() as uow:
        made = uow.bulk.open([
            make.opened("job-1", retailer="Shop A"), make.opened("job-2", retailer="Shop A"),
            make.opened("job-3", retailer="Shop A"), make.opened("job-4", retailer="shop a"),
        ])  # fmt: skip
        for case in (made[0], made[2], made[3]):
            uow.cases.append(case, *make.to(case, Kind.NOTICE_SENT)[1])
        uow.commit()
    letters, since = [Kind.NOTICE_SENT], make.start
    with store.reading() as uow:
        assert [ref for ref, _ in uow.people.told_of("Shop A", letters, since, 9)] == [made[2].ref, made[0].ref]
        assert [ref for ref, _ in uow.people.told_of("Shop A", letters, since, 1)] == [made[2].ref]
        assert uow.people.told_of("Shop A", [Kind.REMINDER_SENT], since, 9) == []
        assert uow.people.told_of("", letters, since, 9) == []
