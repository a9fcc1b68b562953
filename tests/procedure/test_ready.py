"""What is made once for all runs that are forked notices when its source has changed."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from caseproof.channels.outbound import languages
from caseproof.config import policy
from caseproof.config.policy import BUILT_IN, load_policy
from tasks import ready


def test_a_run_finds_the_policy_and_all_templates_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path))
    ready.make_ready()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("was made again")

    monkeypatch.setattr(policy.Policy, "model_validate", refuse)
    monkeypatch.setattr(jinja2.Environment, "compile", refuse)
    monkeypatch.setattr(languages, "entries_of", refuse)
    ready.make_ready()


def test_a_policy_that_was_changed_is_read_anew_and_one_that_is_wrong_is_refused_each_time(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(BUILT_IN.read_bytes())
    assert load_policy(path).team != ("a", "b")
    path.write_text("team: [a, b]\n", encoding="utf-8")
    assert load_policy(path).team == ("a", "b")
    for _ in range(2):
        path.write_text("tem: [a, b]\n", encoding="utf-8")
        with pytest.raises(policy.PolicyError, match=str(path)):
            load_policy(path)


def test_words_that_were_changed_are_read_anew(tmp_path: Path) -> None:
    folder = tmp_path / "en"
    folder.mkdir()
    (folder / "words.yaml").write_text("hello: Hello!\n", encoding="utf-8")
    assert languages.words("en", folder=tmp_path)["hello"] == "Hello!"
    (folder / "words.yaml").write_text("hello: Good morning!\n", encoding="utf-8")
    assert languages.words("en", folder=tmp_path)["hello"] == "Good morning!"
