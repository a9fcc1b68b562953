"""Chosen causes in the store: one in force a shape, undone and never changed, and which cases wait for one."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from caseproof.domain.codes import Rest
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import Store, UnknownChoice

CHOICE = {"words": "it is odd", "example": "It is odd: 7", "corrects": False, "by": "operator", "ref": "JF-000001"}


@pytest.fixture
def waiting(store, make):
    """Makes a case that waits for the cause of messages of a shape; its reference."""

    def wait(job, shape, form=""):
        with store.uow() as uow:
            case = uow.cases.create(make.opened(job, cause="unknown"))
            case = uow.cases.append(case, make.event(case, Kind.STOPPED))
            case = uow.cases.append(case, make.event(case, Kind.CAUSE_AWAITED, shape=shape, words="w"))
            if form:
                asked = make.event(case, Kind.QUESTION_ASKED, number=1, form=form, flow_run="r")
                case = uow.cases.append(case, asked)
            uow.commit()
        return case.ref

    return wait


def test_a_shape_has_one_choice_in_force_and_none_has_no_shape(store, make):
    with store.uow() as uow:
        first = uow.causes.choose("s", cause="feed", at=make.start, **CHOICE)
        assert uow.causes.choose("s", cause="sync", at=make.start, **CHOICE) is None
        assert uow.causes.of_shape("s") == first
        assert uow.causes.of_shape("") is None
        uow.causes.count("s", 3)
        uow.commit()
    with store.reading() as uow:
        [row] = uow.causes.rows()
    assert (row.cause, row.used, row.chosen_at, row.in_force) == ("feed", 3, make.start, True)


def test_a_choice_is_undone_once_and_another_takes_its_place(store, make):
    with store.uow() as uow:
        first = uow.causes.choose("s", cause="feed", at=make.start, **CHOICE)
        assert uow.causes.undo(first.id, "team lead", make.start)
        assert not uow.causes.undo(first.id, "operator", make.start)
        second = uow.causes.choose("s", cause="sync", at=make.start, **CHOICE)
        uow.commit()
    with store.reading() as uow:
        assert uow.causes.rows() == [second]
        assert [(row.cause, row.undone_by) for row in uow.causes.rows(in_force=False)] == [
            ("feed", "team lead"), ("sync", ""),
        ]  # fmt: skip
        with pytest.raises(UnknownChoice, match="There is no chosen cause 9"):
            uow.causes.get(9)


def test_of_two_who_choose_at_once_one_is_remembered(store, url, make):
    def choose(cause):
        own = Store(url)
        with own.uow() as uow:
            chosen = uow.causes.choose("s", cause=cause, at=make.start, **CHOICE)
            uow.commit()
        own.close()
        return chosen

    with ThreadPoolExecutor() as pool:
        assert sum(chosen is not None for chosen in pool.map(choose, ["feed", "sync", "connection"])) == 1
    with store.reading() as uow:
        assert len(uow.causes.rows()) == 1


def test_the_case_that_asks_comes_first_and_the_oldest_after_it(store, waiting):
    refs = [waiting("job-1", "s", "shared-cause"), waiting("job-2", "s", "cause"), waiting("job-3", "s")]
    waiting("job-4", "other")
    waiting("job-5", "")
    with store.reading() as uow:
        assert uow.causes.waiting("s") == [refs[1], refs[0], refs[2]]
        assert uow.causes.waiting("") == []
        assert uow.causes.orphans() == []


def test_where_nobody_is_asked_the_oldest_that_waits_is_an_orphan(store, make, waiting):
    first, second = waiting("job-1", "s", "shared-cause"), waiting("job-2", "s", "shared-cause")
    waiting("job-3", "at work")
    with store.reading() as uow:
        assert uow.causes.orphans() == [first]
    chosen = {"cause": "feed", "by": "operator", "on": "2026-11-21", "how": "asked", "was": "unknown", "shape": "s"}
    store.change(first, lambda case: [make.event(case, Kind.CAUSE_CHOSEN, **chosen)])
    with store.reading() as uow:
        assert uow.causes.waiting("s") == [second]
        assert uow.causes.orphans() == [second]
        assert uow.cases.damaged() == []
        assert [row.cause for row in uow.cases.of_refs([first])] == ["feed"]


def test_a_case_that_rests_asks_nobody_so_another_does(store, make, waiting):
    refs = [
        waiting("job-1", "s", "cause"),
        waiting("job-2", "s", "shared-cause"),
        waiting("job-3", "s", "shared-cause"),
    ]
    with store.uow() as uow:
        assert uow.causes.orphans() == []
        uow.cases.set_rest(refs[0], 0, make.start, "parked: its run was cancelled", Rest.PARKED)
        uow.commit()
    with store.uow() as uow:
        assert uow.causes.orphans() == [refs[1]]
        assert uow.causes.waiting("s") == [refs[1], refs[2], refs[0]], "the answer reaches it all the same"
        uow.cases.set_rest(refs[1], 3, make.start, "died", Rest.RUNS_DIED)
        uow.commit()
    with store.reading() as uow:
        assert uow.causes.orphans() == [refs[2]]


def test_a_case_that_needs_help_with_a_step_is_no_orphan_but_the_oldest_behind_it_is(store, waiting):
    refs = [
        waiting("job-1", "s", "try-again"),
        waiting("job-2", "s", "shared-cause"),
        waiting("job-3", "s", "shared-cause"),
    ]
    alone = waiting("job-4", "t", "try-again")
    with store.reading() as uow:
        assert uow.causes.orphans() == [refs[1]]
        assert uow.causes.waiting("s") == [refs[1], refs[2], refs[0]], "so that the one that is woken asks"
        assert uow.causes.waiting("t") == [alone]


def test_an_older_case_that_is_at_work_asks_next_and_a_younger_one_is_not_waited_for(store, waiting):
    waiting("job-1", "s")
    waiting("job-2", "s", "shared-cause")
    other = waiting("job-3", "t", "shared-cause")
    waiting("job-4", "t")
    with store.reading() as uow:
        assert uow.causes.orphans() == [other]
        assert uow.causes.waiting("t")[0] == other


def test_a_text_that_no_database_takes_is_kept_without_what_it_cannot(store, make):
    odd = CHOICE | {"example": "a\0b\udc00" * 1000, "by": "x" * 500}
    with store.uow() as uow:
        chosen = uow.causes.choose("s", cause="feed", at=make.start, **odd)
        uow.commit()
    assert "\0" not in chosen.example
    assert (len(chosen.example) <= 1200, len(chosen.chosen_by)) == (True, 200)
