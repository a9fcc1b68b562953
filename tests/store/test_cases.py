"""Cases: created, read, appended to, listed; with their flow runs."""

import json
from datetime import date, datetime, timedelta, timezone

import pytest

from caseproof.domain.closure import closure_blockers
from caseproof.domain.errors import BadInput, ClosureRefused, NotAllowed
from caseproof.domain.events import Event, head
from caseproof.domain.fold import fold
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.store import AlreadyOpen, CaseRun, ConcurrentChange, StoreError, UnknownCase
from caseproof.store.guards import GUARDS
from caseproof.store.migrations.guards import of_dialect


def test_a_new_case_gets_the_next_reference(store, make):
    with store.uow() as uow:
        refs = [uow.cases.create(make.opened(job)).ref for job in ("a", "b")]
        uow.commit()
    assert refs == ["JF-000001", "JF-000002"]
    assert store.case("JF-000002").facts["job"] == "b"


def test_a_job_with_an_open_case_gets_no_second_one(store, opened, make):
    with store.uow() as uow, pytest.raises(AlreadyOpen) as refusal:
        uow.cases.create(make.opened())
    assert refusal.value.ref == opened.ref
    assert refusal.value.next_action == "`caseproof case show JF-000001`"


def test_the_same_job_name_on_another_platform_is_another_job(store, opened, make):
    with store.uow() as uow:
        assert uow.cases.create(make.opened(platform="other")).ref != opened.ref


@pytest.mark.parametrize("name", ["T-17", "Grüße 東京", '"quoted" \\ 100%_', "DEV-1/x"])
def test_the_open_case_that_speaks_of_a_name_is_found_and_no_other(store, make, name):
    with store.uow() as uow:
        speaks = uow.cases.create(make.opened("a", ticket=name))
        uow.cases.create(make.opened("b", ticket=f"{name}8"))
        uow.cases.create(make.opened("c", summary=f"See {name}, please."))
        assert uow.cases.speaking_of(name, Kind.OPENED) == [speaks.ref]
        assert uow.cases.speaking_of(name, Kind.TICKET_OPENED) == []


def test_a_case_begins_with_its_opening_only(store, opened, make):
    with store.uow() as uow, pytest.raises(NotAllowed):
        uow.cases.create(make.event(opened, Kind.STOPPED))


@pytest.mark.parametrize("job", ["", "  ", 7])
def test_a_case_without_a_job_is_refused(store, make, job):
    with store.uow() as uow, pytest.raises(BadInput):
        uow.cases.create(make.opened(job=job))


@pytest.mark.parametrize("ref", ["JF-000001", "jf-000001", " jf-000001 "])
def test_a_reference_is_read_in_any_case(store, opened, ref):
    assert store.case(ref).ref == opened.ref


@pytest.mark.parametrize("ref", ["", "JF-1", "JF-000009", "SC-000001", "JF-00000\u0661", "JF-000001\n;", "000001"])
@pytest.mark.usefixtures("opened")
def test_what_names_no_case_is_refused_with_the_next_action(store, ref):
    with pytest.raises(UnknownCase) as refusal:
        store.case(ref)
    assert isinstance(refusal.value, BadInput)
    assert "caseproof case list" in refusal.value.next_action


def test_words_and_times_come_back_as_they_were_with_the_same_digests(store, raw, opened):
    india = timezone(timedelta(hours=5, minutes=30))
    words = {"sender": "a@example.com", "words": "Grüße, 東京 🎉 \u0000 'x' \"y\"\n%s", "by_way_of": "mail"}
    event = Event(
        Kind.CONFIRMATION_RECEIVED,
        datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=india),
        "Zoë",
        words | {"evidence": None, "deep": {"n": [1, 2.5, True, None, 10**20]}, "pair": (1, 2), 3: "three"},
    )
    with store.uow() as uow:
        after = uow.cases.append(opened, event)
        uow.commit()
    read = store.case(opened.ref)
    assert read == after
    assert read.events[1].at == event.at
    assert read.events[1].data["words"] == words["words"]
    digests = raw.execute("SELECT digest FROM events UNION ALL SELECT head FROM cases").fetchall()
    assert [digest.hex() if isinstance(digest, bytes) else digest for (digest,) in digests] == [
        head(read.events[:1]), head(read.events), read.head,
    ]  # fmt: skip
    assert json.loads(raw.execute("SELECT data FROM events WHERE seq = 2").fetchone()[0])["3"] == "three"


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"x", "\ud800", datetime(2026, 1, 1)])  # noqa: DTZ001
def test_what_json_cannot_hold_is_refused(store, opened, make, value):
    with store.uow() as uow, pytest.raises(BadInput):
        uow.cases.append(opened, make.event(opened, Kind.TROUBLE, problem=value))


def test_an_append_to_an_older_version_is_refused(store, opened, make):
    store.change(opened.ref, lambda case: [make.event(case, Kind.TROUBLE)])
    with store.uow() as uow, pytest.raises(ConcurrentChange):
        uow.cases.append(opened, make.event(opened, Kind.STOPPED))


def test_what_the_procedure_does_not_allow_is_not_written(store, opened, make):
    with store.uow() as uow, pytest.raises(NotAllowed):
        uow.cases.append(opened, make.event(opened, Kind.STOPPED), make.event(opened, Kind.DECIDED))
    assert store.case(opened.ref) == opened


def test_a_case_closes_with_its_proof_and_can_be_opened_again(store, opened, make, bring):
    closed = bring(opened, Kind.CLOSED)
    assert closed.is_closed
    with store.uow() as uow:
        row = uow.cases.rows()[0]
        assert (row.state, row.closed_at) == (State.CLOSED, closed.closed.at)
        assert uow.cases.rows(open_only=True) == []
        uow.cases.append(closed, make.event(closed, Kind.REOPENED))
        row = uow.cases.rows(open_only=True)[0]
        assert (row.state, row.opening, row.closed_at) == (State.OPENED, 2, None)
        uow.commit()
    assert bring(store.case(opened.ref), Kind.CLOSED).opening == 2


def test_a_late_word_on_a_closed_case_leaves_it_closed(store, opened, make, bring):
    bring(opened, Kind.CLOSED)
    late = store.change(opened.ref, lambda case: [make.event(case, Kind.CONFIRMATION_RECEIVED)])
    assert late.is_closed
    assert store.case(opened.ref) == late


def test_j7_a_case_with_something_missing_is_not_closed(store, opened, make, bring):
    case = bring(opened, Kind.RUN_VERIFIED)
    with store.uow() as uow, pytest.raises(ClosureRefused, match="screenshot"):
        uow.cases.append(case, make.event(case, Kind.CLOSED))


def test_a_case_does_not_close_with_another_proof_than_its_latest(store, opened, make, bring):
    first = bring(opened, Kind.PROOF_MADE)
    store.change(opened.ref, lambda case: [make.event(case, Kind.LOOKED_AGAIN)])
    latest = store.change(opened.ref, lambda case: [make.event(case, Kind.PROOF_MADE)])
    with store.uow() as uow, pytest.raises(ClosureRefused, match="no proof made of what is known now"):
        uow.cases.append(latest, make.event(latest, Kind.CLOSED, proof=first.proof["evidence"]))
    assert store.change(opened.ref, lambda case: [make.event(case, Kind.CLOSED)]).is_closed


def test_a_proof_is_not_taken_twice(store, opened, make, bring):
    case = bring(opened, Kind.PROOF_MADE)
    with store.uow() as uow, pytest.raises(NotAllowed, match="taken before"):
        uow.cases.append(case, make.event(case, Kind.PROOF_MADE, evidence=case.proof["evidence"]))


def test_closing_asks_the_case_in_the_store_not_the_one_it_is_given(store, opened, make):
    _, events = make.to(opened, Kind.PROOF_MADE)
    forged = fold(opened.ref, [*opened.events, *events])
    assert closure_blockers(forged) == []
    with store.uow() as uow, pytest.raises(ConcurrentChange):
        uow.cases.append(forged, make.event(forged, Kind.CLOSED))


def test_nothing_is_added_to_a_case_that_was_edited_by_hand(stores, store, raw, opened, make):
    raw.execute(f"DROP TRIGGER events_unchanged{' ON events' if stores.name == 'postgresql' else ''}")
    raw.execute("UPDATE events SET actor = 'somebody else'")
    case = store.case(opened.ref)
    with store.uow() as uow:
        assert uow.cases.damaged() == [opened.ref]
        with pytest.raises(StoreError, match="edited past Caseproof"):
            uow.cases.append(case, make.event(case, Kind.STOPPED))


EDITS = (
    *("closed = true, state = 'closed', proof = 'forged'", "state = 'stopped'", "head = 'forged'", "opening = 2"),
    *("version = 9", "ref = NULL", "retailer = 'Another'", "marketplace = 'Another'", "cause = 'feed'"),
    *("job_name = 'Another'", "job = 'Another'", "platform = 'Another'"),
)


def test_every_edit_by_an_owner_who_drops_the_guards_is_found(stores, store, raw, opened, make):
    with store.uow() as uow:
        edited = [uow.cases.create(make.opened(f"job of {edit}")).ref for edit in EDITS]
        uow.commit()
    where = " ON cases" if stores.name == "postgresql" else ""
    for guard in of_dialect(GUARDS, stores.name):
        if guard.moment == "UPDATE ON cases":
            raw.execute(f"DROP TRIGGER {guard.name}{where}")
    for number, edit in enumerate(EDITS):
        raw.execute(f"UPDATE cases SET {edit} WHERE id = {2 + number}")  # noqa: S608
        with store.reading() as uow:
            assert uow.cases.damaged() == edited[: number + 1], edit
    assert store.case(opened.ref) == opened


def test_the_edit_of_a_fact_is_found_after_its_correction_too(store, raw, opened, make, bring):
    corrected = make.event(bring(opened, Kind.STOPPED), Kind.FACTS_CORRECTED, retailer="Right", marketplace=None)
    store.change(opened.ref, lambda _: [corrected])
    with store.reading() as uow:
        assert uow.cases.damaged() == []
    raw.execute("UPDATE cases SET retailer = 'Retailer'")  # what the first event said
    with store.reading() as uow:
        assert uow.cases.damaged() == [opened.ref]


def spoil(stores, raw, assignment, number):
    """Edit the events of a case as an owner who drops the guard."""
    raw.execute(f"DROP TRIGGER events_unchanged{' ON events' if stores.name == 'postgresql' else ''}")
    raw.execute(f"UPDATE events SET {assignment} WHERE case_id = {number}")  # noqa: S608


UNREADABLE = ("data = '[1]'", f"data = '{'[' * 3000}{']' * 3000}'")
ONLY_SQLITE = (  # PostgreSQL takes no text that is no JSON, no time that is none; the rest is the same on both
    *("data = 'no json'", "data = ''", "data = x'ff'", "data = CAST(x'ff' AS TEXT)", "at = 'yesterday'", "at = 9e18"),
    *("data = 'null'", "data = '\"text\"'", "data = '{}'", "kind = 'unheard_of'", "actor = ''"),
)


UNREADABLE_WHY = "cannot be read: (the store was edited past Caseproof|This version of Caseproof does not know)"


@pytest.mark.parametrize(
    ("stores", "edit"),
    [
        *((name, edit) for name in ("sqlite", "postgresql") for edit in UNREADABLE),
        *(("sqlite", edit) for edit in ONLY_SQLITE),
    ],
    indirect=["stores"],
    ids=lambda value: str(value)[:30],
)
def test_a_case_whose_events_cannot_be_read_is_named_and_the_others_are_still_checked(
    stores, store, raw, opened, make, edit
):
    with store.uow() as uow:
        for job in ("job-2", "job-3"):
            uow.cases.create(make.opened(job))
        uow.commit()
    spoil(stores, raw, edit, 2)
    raw.execute("UPDATE cases SET cause = 'Another' WHERE id = 3")
    with store.reading() as uow:
        assert uow.cases.damaged() == ["JF-000002", "JF-000003"]
    with pytest.raises(StoreError, match=UNREADABLE_WHY) as refusal:
        store.case("JF-000002")
    assert "compare with a backup" in refusal.value.next_action
    assert store.case(opened.ref) == opened


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
@pytest.mark.parametrize("edit", ["state = 'unheard_of'", "updated_at = 'yesterday'"])
def test_a_row_that_cannot_be_read_is_an_error_for_people(store, raw, opened, edit):
    raw.execute(f"UPDATE cases SET {edit}")  # noqa: S608
    with store.reading() as uow, pytest.raises(StoreError, match="A row of the cases cannot be read"):
        uow.cases.rows()
    assert store.case(opened.ref) == opened


def test_another_proof_on_a_closed_case_is_found(stores, store, raw, opened, bring):
    bring(opened, Kind.CLOSED)
    for guard in ("cases_closed_with_proof", "cases_closed_by_event"):
        raw.execute(f"DROP TRIGGER {guard}{' ON cases' if stores.name == 'postgresql' else ''}")
    raw.execute("UPDATE cases SET proof = 'forged'")
    with store.reading() as uow:
        assert uow.cases.damaged() == [opened.ref]


def test_a_closure_forged_event_by_event_is_found(stores, store, raw, opened):
    """The guards cannot know what a proof is worth; the fold does, and the row says something else."""
    event = "INSERT INTO events (case_id, seq, kind, at, actor, data, digest) VALUES"
    now = "1795240800000000" if stores.name == "sqlite" else "'2026-11-21 06:00:00.000000'"
    for statement in (
        f"""{event} (1, 2, 'proof_made', {now}, 'x', '{{"evidence": "new", "rule": "J7", "head": ""}}', 'd')""",
        f"INSERT INTO proofs (digest, case_id, opening, rule, made_at) VALUES ('new', 1, 1, 'J7', {now})",  # noqa: S608
        f"""{event} (1, 3, 'closed', {now}, 'x', '{{"proof": "new"}}', 'd')""",
        "UPDATE cases SET closed = true, state = 'closed', proof = 'new', version = 3",
    ):
        raw.execute(statement)
    with store.reading() as uow:
        assert uow.cases.damaged() == [opened.ref]
    assert not store.case(opened.ref).is_closed


def test_untouched_cases_are_not_called_damaged(store, opened, bring):
    bring(opened, Kind.CLOSED)
    with store.reading() as uow:
        assert uow.cases.damaged() == []


def test_reopening_is_refused_while_the_job_has_another_open_case(store, opened, make, bring):
    closed = bring(opened, Kind.CLOSED)
    with store.uow() as uow:
        second = uow.cases.create(make.opened())
        with pytest.raises(AlreadyOpen) as refusal:
            uow.cases.append(closed, make.event(closed, Kind.REOPENED))
        assert refusal.value.ref == second.ref
        assert uow.cases.open_for("shop", "job-1") == second


def test_lists_show_what_is_known_oldest_first(store, opened, make):
    with store.uow() as uow:
        uow.cases.create(make.opened("job-0", marketplace=None))
        uow.cases.create(make.opened("job-9", platform="other"))
        paused = uow.cases.append(opened, *(make.to(opened, Kind.NOTICE_SENT)[1]), make.event(opened, Kind.KEPT_PAUSED))
        rows = uow.cases.rows()
        assert [row.job for row in rows] == ["job-1", "job-0", "job-9"]
        assert (rows[0].state, rows[0].paused_until) == (State.PAUSED, date(2026, 12, 24))
        assert (rows[0].retailer, rows[1].marketplace, rows[0].opened_at) == ("Retailer", "", make.start)
        assert (rows[0].flow_run, rows[0].generation, rows[0].updated_at) == (None, 0, paused.events[-1].at)
        assert [case.facts["job"] for case in uow.cases.open_on("shop")] == ["job-1", "job-0"]
        assert uow.cases.open_on("nowhere") == []
        assert uow.cases.open_for("shop", "job-7") is None


def test_an_impossible_date_to_pause_until_is_refused(store, opened, make, bring):
    case = bring(opened, Kind.NOTICE_SENT)
    with store.uow() as uow, pytest.raises(BadInput, match="YYYY-MM-DD"):
        uow.cases.append(case, make.event(case, Kind.KEPT_PAUSED, until="Christmas"))


def test_a_case_remembers_the_runs_that_carried_it(store, opened):
    with store.uow() as uow:
        assert uow.cases.run_of(opened.ref) is None
        assert uow.cases.attach_run(opened.ref, "run-a", 1)
        assert uow.cases.attach_run(opened.ref, "run-b", 2)
        assert not uow.cases.attach_run("jf-000001", "run-b", 2), "a resumed run comes by again"
        assert not uow.cases.attach_run(opened.ref, "run-a", 1)
        uow.commit()
    with store.reading() as uow:
        assert uow.cases.run_of(opened.ref) == CaseRun("run-b", 2)
        assert [uow.cases.by_flow_run(run) for run in ("run-a", "run-b")] == ["JF-000001"] * 2
        assert uow.cases.by_flow_run("run-c") is None
        assert (uow.cases.rows()[0].flow_run, uow.cases.rows()[0].generation) == ("run-b", 2)


@pytest.mark.parametrize(("run", "generation"), [("run-z", 2), ("run-z", 1), ("run-b", 3), ("run-a", 2)])
def test_a_late_run_does_not_take_a_case_from_its_successor(store, opened, run, generation):
    with store.uow() as uow:
        uow.cases.attach_run(opened.ref, "run-a", 1)
        uow.cases.attach_run(opened.ref, "run-b", 2)
        with pytest.raises(ConcurrentChange):
            uow.cases.attach_run(opened.ref, run, generation)
        assert uow.cases.run_of(opened.ref) == CaseRun("run-b", 2)


def test_a_run_of_an_unknown_case_is_refused(store):
    with store.uow() as uow, pytest.raises(UnknownCase):
        uow.cases.attach_run("JF-000001", "run-a", 1)


def test_references_follow_each_other_also_after_one_that_was_rolled_back(store, make):
    with store.uow() as uow:
        uow.cases.create(make.opened("job-1"))  # and no commit
    with store.uow() as uow:
        assert [uow.cases.create(make.opened(f"job-{n}")).ref for n in (1, 2)] == ["JF-000001", "JF-000002"]
        uow.commit()


def test_a_case_is_unfinished_until_its_ticket_is_closed_too(store, make, opened, bring):
    long_ago = make.start - timedelta(days=1)

    def unfinished(since=long_ago):
        with store.reading() as uow:
            return [row.ref for row in uow.cases.unfinished(since)]

    assert unfinished() == [opened.ref]
    case = bring(opened, Kind.CLOSED)
    assert unfinished() == [opened.ref], "its run died between the two closings, perhaps"
    assert unfinished(since=make.start + timedelta(days=1)) == [], "what closed long ago is not looked at again"
    with store.uow() as uow:
        uow.cases.append(case, make.event(case, Kind.TICKET_CLOSED))
        uow.commit()
    assert unfinished() == []
