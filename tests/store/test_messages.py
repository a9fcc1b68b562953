"""What came from retailers: each message once, in one place, as it came; and who looked at it."""

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from caseproof.domain.codes import MessageCode
from caseproof.domain.vocabulary import Disposition
from caseproof.store import MessageRow, UnknownCase
from caseproof.store.tables import to_look_at

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def digest_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def add(uow, name, place=Disposition.REPLY, **more):
    said = {
        "message_id": f"<{name}@shop.example.com>", "sender": "Owner@shop.example.com", "subject": "Re: Offers",
        "size": 1200, "way": "mail", "why": "asks something", "ref": "", "at": START,
    }  # fmt: skip
    return uow.messages.add(digest_of(name), place=place, **(said | more))


def test_a_message_is_read_back_as_it_was_written(store, opened):
    with store.uow() as uow:
        number = add(uow, "one", ref=opened.ref, subject="Ça marche ✓")
        add(uow, "of no case", Disposition.UNMATCHED, message_id="", way="page")
        uow.commit()
    with store.reading() as uow:
        assert uow.messages.known(digest_of("one")) == MessageRow(
            id=number, digest=digest_of("one"), message_id="<one@shop.example.com>", sender="Owner@shop.example.com",
            subject="Ça marche ✓", size=1200, way="mail", place=Disposition.REPLY, why="asks something", ref=opened.ref,
            at=START, told_at=None, done_at=None, done_by="",
        )  # fmt: skip
        assert uow.messages.get(number) == uow.messages.known(digest_of("one"))
        other = uow.messages.known(digest_of("of no case"))
        assert (other.ref, other.needs_eye, other.file_name) == ("", True, f"message-{other.id}.json")
        assert uow.messages.known(digest_of("another")) is None
        assert uow.messages.known("no digest") is None
        assert uow.messages.get(99) is None
        assert uow.messages.get(10**12) is None, "PostgreSQL has no such integer"


def test_the_same_bytes_are_one_message_and_the_first_place_stays(store, opened):
    with store.uow() as uow:
        first = add(uow, "one", ref=opened.ref)
        assert add(uow, "one", Disposition.COUNTED, subject="other") == first
        assert add(uow, "two") != first
        assert (uow.messages.known(digest_of("one")).place, len(uow.messages.to_look_at(9))) == (Disposition.REPLY, 2)


def test_what_a_stranger_writes_into_a_header_is_kept_on_every_database(store):
    wild = "a\0b\ud800" + "ü" * 5000
    with store.uow() as uow:
        add(uow, "wild", Disposition.COUNTED, message_id=wild, sender=wild, subject=wild, why=wild)
        kept = uow.messages.known(digest_of("wild"))
        assert (kept.subject[:5], len(kept.subject)) == ("ab?üü", 299)
        assert uow.messages.seen(wild, wild)


def test_a_message_for_a_case_that_is_not_there_is_refused(store):
    with store.uow() as uow:
        with pytest.raises(UnknownCase):
            add(uow, "one", ref="JF-000009")
        assert uow.messages.known(digest_of("one")) is None


def test_a_message_id_was_seen_only_where_the_message_was_authentic(store):
    with store.uow() as uow:
        for place in Disposition:
            add(uow, place, place)
            authentic = place in {Disposition.COUNTED, Disposition.REPLY}
            assert uow.messages.seen(f"<{place}@shop.example.com>", "OWNER@Shop.example.com") is authentic, place
            assert not uow.messages.seen(f"<{place}@shop.example.com>", "other@shop.example.com"), place
        assert not uow.messages.seen("<two@shop.example.com>", "owner@shop.example.com")


def test_a_message_that_could_not_be_written_into_its_case_was_not_seen(store):
    with store.uow() as uow:
        add(uow, "one", code=MessageCode.NOT_WRITTEN)  # nobody looked whether it is authentic
        assert not uow.messages.seen("<one@shop.example.com>", "owner@shop.example.com")


def test_messages_without_a_message_id_are_not_each_others_double(store):
    with store.uow() as uow:
        add(uow, "one", message_id="")
        assert not uow.messages.seen("", "owner@shop.example.com")


def test_only_what_needs_an_eye_waits_for_one(store):
    with store.uow() as uow:
        for place in Disposition:
            add(uow, place, place)
        waiting = uow.messages.to_look_at(99)
        assert {row.place for row in waiting} == {place for place in Disposition if place.needs_eye}
        assert len(waiting) == 5
        assert all(row.needs_eye for row in waiting)
        assert [row.id for row in waiting] == sorted(row.id for row in waiting)
        assert uow.messages.to_look_at(2) == uow.messages.untold(2) == waiting[:2]
        assert uow.messages.counts() == dict.fromkeys((row.place for row in waiting), 1)


def test_the_places_of_the_index_are_those_that_need_an_eye():
    named = {str(place.compile()).strip("'") for place in to_look_at.clauses[1].right.element.clauses}
    assert named == {place.value for place in Disposition if place.needs_eye}


def test_what_somebody_looked_at_waits_no_more_and_who_was_first_stays(store, opened):
    later = START + timedelta(hours=1)
    with store.uow() as uow:
        one, two, three = (add(uow, name, ref=opened.ref) for name in ("one", "two", "three"))
        counted = add(uow, "four", Disposition.COUNTED, ref=opened.ref)
        uow.messages.done([one], "operator", START)
        uow.messages.done([one, two, 99], "other", later)
        uow.messages.done([], "nobody", later)
        assert [row.id for row in uow.messages.to_look_at(9)] == [three]
        said = {row.id: (row.done_by, row.done_at) for row in uow.messages.of_case(opened.ref)}
    assert said == {one: ("operator", START), two: ("other", later), three: ("", None), counted: ("", None)}


def test_the_team_is_told_of_a_message_once(store):
    later = START + timedelta(hours=1)
    with store.uow() as uow:
        one, two, three = (add(uow, name) for name in ("one", "two", "three"))
        add(uow, "four", Disposition.DUPLICATE)
        uow.messages.done([three], "operator", START)
        assert [row.id for row in uow.messages.untold()] == [one, two]
        uow.messages.set_told([one], START)
        uow.messages.set_told([one, two], later)
        uow.messages.set_told([], later)
        assert uow.messages.untold() == []
        assert [row.told_at for row in uow.messages.to_look_at(9)] == [START, later]


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
def test_messages_are_noted_however_many_they_are(store):
    with store.uow() as uow:
        one = add(uow, "one")
        uow.messages.set_told(range(33_000), START)
        assert uow.messages.get(one).told_at == START


def test_a_cases_messages_are_its_own_and_counted_since_a_time(store, opened, make):
    with store.uow() as uow:
        other = uow.cases.create(make.opened("job-2")).ref
        for hour, place in enumerate((Disposition.REPLY, Disposition.REFUSED, Disposition.COUNTED, Disposition.REPLY)):
            add(uow, f"{hour}", place, ref=opened.ref, at=START + timedelta(hours=hour))
        add(uow, "of the other", ref=other)
        add(uow, "of none")
        assert Counter(row.place for row in uow.messages.of_case(opened.ref)) == {
            Disposition.REPLY: 2, Disposition.REFUSED: 1, Disposition.COUNTED: 1,
        }  # fmt: skip
        assert [row.digest for row in uow.messages.of_case(other)] == [digest_of("of the other")]
        since = START + timedelta(hours=1)
        assert uow.messages.count_for(opened.ref, since, [Disposition.REPLY, Disposition.REFUSED]) == 2
        assert uow.messages.count_for(opened.ref, START, {"reply"}) == 2
        assert uow.messages.count_for(opened.ref, START, []) == 0
        with pytest.raises(UnknownCase):
            uow.messages.of_case("no reference")
