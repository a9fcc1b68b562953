"""A case that is read again costs what happened since, and is what its events in the store make of it all the same."""

import pytest

from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import Store, StoreError, cases, folds


@pytest.fixture
def applied(monkeypatch):
    """The kinds of the events that were folded, in their order."""
    seen = []
    apply = cases.apply
    monkeypatch.setattr(cases, "apply", lambda case, event: seen.append(event.kind) or apply(case, event))
    return seen


def test_what_happened_since_is_all_that_is_folded_again(url, store, opened, make, bring, applied):
    bring(opened, Kind.STOPPED)
    whole = store.case(opened.ref)
    applied.clear()
    assert store.case(opened.ref) == whole
    assert applied == []
    elsewhere = Store(url)
    event = make.event(whole, Kind.NOTED)
    after = elsewhere.change(opened.ref, lambda _: [event])
    elsewhere.close()
    applied.clear()
    assert store.case(opened.ref) == after
    assert applied == [Kind.NOTED]


def test_what_was_rolled_back_never_happened_though_it_was_read_meanwhile(store, opened, make):
    with store.uow() as uow:
        uow.cases.append(opened, make.event(opened, Kind.NOTED, note="never"))
        assert uow.cases.get(opened.ref).version == 2
    assert store.case(opened.ref) == opened
    told = store.change(opened.ref, lambda case: [make.event(case, Kind.NOTED, note="in its place")])
    assert store.case(opened.ref) == told
    assert [event.data.get("note") for event in told.events] == [None, "in its place"]


def test_a_store_that_was_replaced_by_another_is_read_anew(store, stores, opened, make):
    other_url, other = stores.take()  # a case of the same reference with another history, as after a restore
    with other.uow() as uow:
        uow.cases.create(make.opened("another-job"))
        uow.commit()
    before = other.change(opened.ref, lambda case: [make.event(case, Kind.NOTED)])
    stores.give_back(other_url, other)
    assert before.ref == opened.ref
    store._folds.keep(before)
    assert store.case(opened.ref) == opened


def test_only_so_many_are_remembered(store, make, monkeypatch, applied):
    monkeypatch.setattr(folds, "_MOST", 2)
    with store.uow() as uow:
        refs = [uow.cases.create(make.opened(f"job-{number}")).ref for number in range(3)]
        uow.commit()
    for ref in (refs[0], refs[1], refs[0], refs[2]):
        store.case(ref)
    applied.clear()
    for ref in (refs[0], refs[2], refs[1]):  # what was asked for for longest was forgotten
        assert store.case(ref).ref == ref
    assert applied == [Kind.OPENED]


def test_who_tries_to_add_to_a_case_that_was_edited_is_not_shown_it_as_it_was(store, stores, raw, opened, make):
    store.case(opened.ref)
    raw.execute(f"DROP TRIGGER events_unchanged{' ON events' if stores.name == 'postgresql' else ''}")
    raw.execute("UPDATE events SET actor = 'somebody else'")
    assert store.case(opened.ref) == opened, "it was not read from its beginning yet"
    with pytest.raises(StoreError, match="edited past Caseproof"):
        store.change(opened.ref, lambda case: [make.event(case, Kind.NOTED)])
    assert store.case(opened.ref) != opened


def test_who_begins_to_act_can_have_every_case_read_anew(store, stores, raw, opened):
    store.case(opened.ref)
    raw.execute(f"DROP TRIGGER events_unchanged{' ON events' if stores.name == 'postgresql' else ''}")
    raw.execute("UPDATE events SET actor = 'somebody else'")
    store.read_anew()
    assert store.case(opened.ref).head != opened.head
