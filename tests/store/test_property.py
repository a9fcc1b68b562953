"""Whatever happens to a case: what the store gives back is the fold of what was written."""

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseproof.domain.closure import refuse_event
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.fold import apply, fold
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import Store, UnknownCase
from tests.support.examples import examples

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
MOMENTS = st.datetimes(timezones=st.timezones())
JOBS = count(1000)
STEPS = st.sampled_from(Kind) | st.tuples(st.just("along the path to"), st.sampled_from(Kind))


@settings(max_examples=examples(12, full=250))
@given(steps=st.lists(st.tuples(STEPS, VALUES), max_size=6))
def test_a_case_read_from_the_store_is_the_fold_of_its_events(shared, make, steps):
    store, _ = shared
    with store.uow() as uow:
        case = model = uow.cases.create(make.opened(f"job-{next(JOBS)}"))
        for step, value in steps:
            for event in _events(make, model, step, value):
                if _allowed(model, event):
                    model = apply(model, event)
                    case = uow.cases.append(case, event)
                else:
                    with pytest.raises(NotAllowed):
                        uow.cases.append(case, event)
        row = uow.cases.rows()[-1]
        uow.commit()
    read = store.case(case.ref)
    assert read == case == model == fold(case.ref, model.events)
    assert (row.state, row.opening, row.paused_until) == (model.state, model.opening, model.paused_until)
    assert (row.closed_at is not None) == model.is_closed


def _events(make, case, step, value):
    if isinstance(step, Kind):
        return [make.event(case, step, more=value)]
    until = step[1] if step[1] in make.path else Kind.CLOSED
    return make.to(case, until)[1]


def _allowed(case, event):
    try:
        refuse_event(case, event)
    except NotAllowed:
        return False
    return event.kind is not Kind.PROOF_MADE or event.data["evidence"] != _last_proof(case)


def _last_proof(case):
    return case.proof["evidence"] if case.proof else None


@settings(max_examples=examples(12, full=250))
@given(
    data=st.dictionaries(WORDS.filter(lambda name: name not in ("number", "question")), VALUES, max_size=4),
    actor=WORDS.filter(lambda actor: actor.strip() and "\0" not in actor),
    at=MOMENTS,
)
def test_any_json_any_actor_and_any_moment_come_back(shared, data, actor, at):
    store, ref = shared
    event = Event(Kind.TROUBLE, at, actor, {**data, "step": "s", "problem": "p", "next_action": "n"})
    after = store.change(ref, lambda _: [event])
    read = store.case(ref)
    assert read == after
    assert read.events[-1] == event


@pytest.fixture(scope="module")
def shared(stores, make):
    store = Store(url := stores.new())
    with store.uow() as uow:
        case = uow.cases.create(make.opened())
        uow.commit()
    yield store, case.ref
    store.close()
    stores.drop(url)


@settings(max_examples=examples(20, full=500))
@given(ref=st.text(max_size=12) | st.from_regex(r"\A[jJ][fF]-\d{1,9}\Z"))
def test_any_text_is_a_known_case_or_an_unknown_one(shared, ref):
    store, _ = shared
    with store.reading() as uow:
        known = {row.ref for row in uow.cases.rows()}  # other tests open cases here, too
    try:
        found = store.case(ref).ref
    except UnknownCase:
        found = None
    wanted = ref.strip().upper()
    assert found == (wanted if wanted in known else None)
