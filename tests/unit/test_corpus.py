"""The figure of J8 for words: of all that people and programs write, only a confirmation reads as one.

The corpus is in tests/corpus, all of our own writing; who may write, and where, is looked at in tests/procedure.
"""

from __future__ import annotations

import pytest

from tests.corpus import machines, people
from tests.corpus.reading import LEAST_SHARE, Judged, false_of, missed_of, read, share_of, shown, threads, written


@pytest.fixture(scope="module")
def judged() -> Judged:
    told = threads()
    samples = [*people.samples(told), *machines.samples(told)]
    return [(sample, read(sample.raw)) for sample in samples]


def test_the_corpus_is_large_and_holds_no_message_twice(judged: Judged) -> None:
    assert len({sample.raw for sample, _ in judged}) == len(judged) >= 800
    assert len(written(judged)) >= 190
    assert sum(1 for sample, _ in judged if "near-miss" in sample.kind) >= 290


def test_no_words_of_the_corpus_confirm_falsely(judged: Judged) -> None:
    print(shown(judged))  # noqa: T201 - the table is shown where the test runs with -s
    assert false_of(judged) == []


def test_true_words_are_recognised_in_every_mail_program_and_charset(judged: Judged) -> None:
    assert share_of(judged) >= LEAST_SHARE, "\n".join(missed_of(judged))


def test_true_words_are_recognised_however_they_are_put(judged: Judged) -> None:
    # Without the messages that say the same few words in many forms, which would raise the share.
    assert share_of(written(judged)) >= LEAST_SHARE, "\n".join(missed_of(written(judged)))
