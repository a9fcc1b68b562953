"""A signature made of a shape: it fits its messages, no others, and never takes long."""

from __future__ import annotations

import re
import time

import pytest

from caseproof.checks.causes import classify
from caseproof.checks.literals import may_hold, needed
from caseproof.checks.offering import fits, signature_for
from caseproof.checks.shapes import shape_of
from tests.unit.test_checks_shapes import MEAN_ANOTHER_THING, SAY_THE_SAME, SENTENCE, TRACEBACK


def signature(message: str):
    return signature_for(shape_of(message), "sync", "chosen")


LONG = [
    (f"{TRACEBACK}\n{TRACEBACK}\nTitleTooLong: 17", f"{TRACEBACK}\n{TRACEBACK}\nTitleTooLong: 4711"),
    (SENTENCE.format(url="https://a.example.com/" + "x" * 250) * 20, SENTENCE.format(url="https://b.example.com") * 20),
    ("a long word, " * 60, "a  long word,\n" * 60),
    ("order 1\n2 is\n\nlost", "order 4711\n12 is lost"),
]


@pytest.mark.parametrize(("one", "other"), SAY_THE_SAME + LONG)
def test_a_signature_fits_its_message_and_others_of_the_shape(one: str, other: str) -> None:
    assert shape_of(one) == shape_of(other)
    made = signature(one)
    assert fits(made, one)
    assert fits(made, other)


@pytest.mark.parametrize(("one", "other"), MEAN_ANOTHER_THING)
def test_a_signature_fits_nothing_that_means_another_thing(one: str, other: str) -> None:
    made = signature(one)
    assert fits(made, one)
    assert not fits(made, other)


@pytest.mark.parametrize("gaps", [1, 4, 12])
@pytest.mark.parametrize("repeated", [28, 100])
def test_a_message_that_nearly_fits_is_looked_at_as_quickly_as_any(gaps: int, repeated: int) -> None:
    shape = shape_of("the part 7 is lost, " * gaps + "says partner 8 finally")
    expression = re.compile(signature_for(shape, "sync", "chosen").says[0])
    near = "the part is lost, " * repeated + "says partner never"
    start = time.process_time()
    assert not expression.search(near)
    assert time.process_time() - start < 1, "12 gaps took seconds"
    assert not classify([near], [signature_for(shape, "sync", "chosen")])[0]


def test_what_an_atomic_group_needs_is_what_stands_in_it() -> None:
    assert may_hold("abc then def", needed("(?>abc)[^x]{0,9}(?>.{0,9}?def)"))
