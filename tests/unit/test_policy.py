"""The policy: the built-in one is valid and complete, and a bad one is refused by file, entry and what it may be."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from caseproof.config.policy import BUILT_IN, Policy, PolicyError, load_policy, policy_file, policy_in_force
from caseproof.config.settings import Settings
from caseproof.domain.errors import CaseproofError
from caseproof.domain.vocabulary import CAUSES, Scope


def write(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def entries(model: type[BaseModel], before: str = "") -> dict[str, str]:
    """Every entry of the model with its description: ``mail.sender`` and the like; a group's own is its docstring."""
    found = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found[before + name] = kind.__doc__ or ""
            found |= entries(kind, f"{before}{name}.")
        else:
            found[before + name] = field.description or ""
    return found


def test_the_built_in_policy_is_valid_and_says_what_the_model_defaults_to() -> None:
    built_in = load_policy(BUILT_IN)
    assert built_in.team
    defaults = Policy(team=built_in.team)
    assert built_in.model_copy(update={"stop_scope": {}}) == defaults


@pytest.mark.parametrize("entry", entries(Policy))
def test_every_entry_stands_in_the_built_in_policy_and_has_a_description(entry: str) -> None:
    value = yaml.load(BUILT_IN.read_text(encoding="utf-8"), yaml.CSafeLoader)
    for part in entry.split("."):
        assert part in value, f"{entry} is not in {BUILT_IN.name}"
        value = value[part]
    assert entries(Policy)[entry].strip().endswith(".")


BAD = {
    "an unknown entry": ("team: [a]\nteem: [b]", ["teem: there is no such entry"]),
    "an unknown entry deeper": ("team: [a]\nreview: {need: true}", ["review.need: there is no such entry"]),
    "no team": ("desk: d", ["team: is missing"]),
    "an empty team": ("team: []", ["team: ", "at least 1"]),
    "a nameless member": ("team: [a, '  ']", ["team: a name is empty"]),
    "a member twice": ("team: [Team Lead, 'team  lead']", ["team: a name stands there twice"]),
    "a reviewer nobody knows": ("team: [a]\nreview: {by: nobody}", ["review.by: ", "'anybody'", "'another person'"]),
    "a review that is no yes or no": ("team: [a]\nreview: {required: perhaps}", ["review.required: ", "boolean"]),
    "a scope nobody knows": (
        "team: [a]\nstop_scope: {feed: world}", ["stop_scope.feed: ", "'job'", "'marketplace'", "'connection'"],
    ),
    "a cause nobody knows": ("team: [a]\nstop_scope: {weather: job}", ["stop_scope: unknown cause weather", *CAUSES]),
    "no patience": ("team: [a]\nrun_patience_seconds: 0", ["run_patience_seconds: ", "greater than 0"]),
    "a cron line with seconds": ("team: [a, b]\ntimes: {check: '30 6 * * * *'}", ["times.check: ", "no cron line"]),
    "a cron line with the last Friday": ("team: [a, b]\ntimes: {report: '0 0 * * 5L'}", ["times.report: ", "no cron"]),
    "a zone that Prefect does not know": (
        "team: [a, b]\ntimes: {timezone: right/Europe/Berlin}", ["times.timezone: ", "no time zone"],
    ),
    "too much patience": ("team: [a]\nrun_patience_seconds: 601", ["run_patience_seconds: ", "600"]),
    "a hanging mail server": ("team: [a]\nmail: {timeout_seconds: 999}", ["mail.timeout_seconds: ", "300"]),
    "a signature that is no expression": (
        "team: [a]\ncheck: {signatures: [{name: odd, cause: feed, says: ['(odd']}]}",
        ["check.signatures.odd.says: ", "'(odd' is no regular expression", "unterminated"],
    ),
    "a signature that fits every message": (
        "team: [a]\ncheck: {signatures: [{name: all, cause: feed, says: ['x*']}]}",
        ["check.signatures.all.says: ", "would fit every message"],
    ),
    "a signature that could take forever": (
        "team: [a]\ncheck: {signatures: [{name: slow, cause: feed, says: ['x(a+|b)*y']}]}",
        ["check.signatures.slow.says: ", "'x(a+|b)*y' repeats a repetition", "forever"],
    ),
    "a signature that could take forever, deeper": (
        "team: [a]\ncheck: {signatures: [{name: slow, cause: feed, says: ['x((?:a{2,})b?)+y']}]}",
        ["check.signatures.slow.says: ", "repeats a repetition"],
    ),
    "a signature whose backslash YAML took": (
        'team: [a]\ncheck: {signatures: [{name: odd, cause: feed, says: ["\\b401\\b"]}]}',
        ["check.signatures.odd.says: ", "control character", "'single quotes'"],
    ),
    "a signature that is endless": (
        f"team: [a]\ncheck: {{signatures: [{{name: long, cause: feed, says: ['{'x' * 1001}']}}]}}",
        ["check.signatures.long.says: ", "longer than 1000", "several"],
    ),
    "a signature that says nothing": (
        "team: [a]\ncheck: {signatures: [{name: mute, cause: feed}]}",
        ["check.signatures.mute: give http (codes of answers), frames, codes or says (regular expressions)"],
    ),
    "a signature whose code says nothing": (
        "team: [a]\ncheck: {signatures: [{name: odd, cause: feed, codes: [_]}]}",
        ["check.signatures.odd.codes: ", "'_' would fit too much"],
    ),
    "a signature whose frame is everything": (
        "team: [a]\ncheck: {signatures: [{name: odd, cause: feed, frames: ['*']}]}",
        ["check.signatures.odd.frames: ", "'*' would fit too much"],
    ),
    "a signature with a code that is no failure": (
        "team: [a]\ncheck: {signatures: [{name: odd, cause: feed, http: [200]}]}",
        ["check.signatures.odd.http", "400"],
    ),
    "a signature without a name": (
        "team: [a]\ncheck: {signatures: [{name: '', cause: feed, http: [404]}]}", ["check.signatures", "name: "],
    ),
    "a signature whose cause nobody knows": (
        "team: [a]\ncheck: {signatures: [{name: odd, cause: weather, http: [404]}]}",
        ["check.signatures.odd.cause: ", "'expired_token'"],
    ),
    "a signature without patience": (
        "team: [a]\ncheck: {signatures: [{name: hasty, cause: feed, http: [404], failures: 0}]}",
        ["check.signatures.hasty.failures: ", "1"],
    ),
    "a signature twice": (
        "team: [a]\ncheck: {signatures: [{name: one, cause: feed, says: [a]}, {name: one, cause: sync, says: [b]}]}",
        ["check.signatures: 'one' stands there twice"],
    ),
    "a window without a time": ("team: [a]\ncheck: {maintenance: [{why: w}]}", ["give either begins and ends"]),
    "a window at two times": (
        "team: [a]\ncheck: {maintenance: [{why: w, cron: '0 2 * * *', minutes: 5, "
        "begins: 2027-01-01T00:00:00Z, ends: 2027-01-02T00:00:00Z}]}", ["give either begins and ends, or cron"],
    ),
    "a window that ends before it begins": (
        "team: [a]\ncheck: {maintenance: [{why: w, begins: 2027-01-02T00:00:00Z, ends: 2027-01-01T00:00:00Z}]}",
        ["it ends before it begins"],
    ),
    "a window without a time zone": (
        "team: [a]\ncheck: {maintenance: [{why: w, begins: 2027-01-01T00:00:00, ends: 2027-01-02T00:00:00}]}",
        ["check.maintenance", "begins: ", "timezone"],
    ),
    "a window that never ends": ("team: [a]\ncheck: {maintenance: [{why: w, cron: '0 2 * * *'}]}", ["needs minutes"]),
    "a window at no time": (
        "team: [a]\ncheck: {maintenance: [{why: w, cron: at two, minutes: 5}]}", ["'at two' is no cron line"],
    ),
    "a window on Mars": (
        "team: [a]\ncheck: {maintenance: [{why: w, cron: '0 2 * * *', minutes: 5, timezone: Mars}]}",
        ["there is no time zone 'Mars'", "Europe/Berlin"],
    ),
    "a window for nothing": (
        "team: [a]\ncheck: {maintenance: [{why: '', cron: '0 2 * * *', minutes: 5}]}", ["check.maintenance", "why: "],
    ),
    "a pace of nothing": ("team: [a]\ncheck: {platforms: {shops: {at_once: 0}}}", ["check.platforms.shops.at_once: "]),
    "a pace at which nothing is ever done": (
        "team: [a]\ncheck: {pace: {per_second: 1.0e-300}}", ["check.pace.per_second: ", "0.1"],
    ),
    "a storm of one": ("team: [a]\ncheck: {storm: {cases: 1}}", ["check.storm.cases: ", "2"]),
    "reminders out of order": ("team: [a]\nkeeper: {remind_after_days: [5, 2]}", ["keeper.remind_after_days: each"]),
    "a reminder after the deadline": (
        "team: [a]\nkeeper: {remind_after_days: [2, 10]}",
        ["keeper: remind_after_days has 10, which is not before answer_within_days (7)"],
    ),
    "a reminder on the deadline": (
        "team: [a]\nkeeper: {answer_within_days: 5}", ["remind_after_days has 5, which is not before", "(5)"],
    ),
    "a pause before the deadline": (
        "team: [a]\nkeeper: {answer_within_days: 20}",
        ["keep_paused_after_days (14) is before answer_within_days (20)"],
    ),
    "nobody who could review": ("team: [a]", ["review.by is 'another person'", "one member"]),
    "two mistakes": ("team: []\nteem: x", ["team: ", "teem: "]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_policy_is_refused_by_file_entry_and_what_it_may_be(name: str, tmp_path: Path) -> None:
    text, says = BAD[name]
    path = write(tmp_path, text)
    with pytest.raises(PolicyError) as refusal:
        load_policy(path)
    assert str(path) in refusal.value.problem
    assert [part for part in says if part not in refusal.value.problem] == []
    assert refusal.value.next_action
    assert "pydantic" not in str(refusal.value)


def test_expressions_that_repeat_without_danger_are_taken() -> None:
    says = [r"(a|b)+c", r"(?:no|not) (found)?", r"x{2,5}(y?z)*", r"[+*(]+", r"\(\w+\)+", r"a+b+"]
    Policy.model_validate({"team": ["a", "b"], "check": {"signatures": [{"name": "n", "cause": "feed", "says": says}]}})


def test_a_team_may_remind_nobody_and_keep_paused_on_the_very_deadline(tmp_path: Path) -> None:
    keeper = "{remind_after_days: [], answer_within_days: 3.5, keep_paused_after_days: 3.5}"
    taken = load_policy(write(tmp_path, f"team: [a, b]\nkeeper: {keeper}")).keeper
    assert (taken.remind_after_days, taken.keep_paused_after_days) == ((), 3.5)


def test_a_list_of_ones_own_takes_the_place_of_the_built_in_signatures(tmp_path: Path) -> None:
    own = "team: [a, b]\ncheck: {signatures: [{name: own, cause: feed, says: [odd], minutes: 5}]}"
    (one,) = load_policy(write(tmp_path, own)).check.signatures
    assert (one.name, one.failures, one.days, one.minutes, one.http) == ("own", 3, 3, 5, ())
    assert len(load_policy(write(tmp_path, "team: [a, b]")).check.signatures) > 20


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "just words"])
def test_a_policy_without_entries_is_refused_and_shown_the_default(text: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"holds no entries.*policy-default\.yaml"):
        load_policy(write(tmp_path, text))


def test_a_policy_that_is_not_yaml_is_refused_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"policy\.yaml is not YAML at line 2, column \d+"):
        load_policy(write(tmp_path, "team: [a]\ndesk: 'd' e\n"))


def test_a_policy_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes("team: [Jörg]".encode("latin-1"))
    with pytest.raises(PolicyError, match="is not YAML"):
        load_policy(path)


def test_a_policy_that_runs_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="is not YAML"):
        load_policy(write(tmp_path, "team: !!python/object/apply:os.getcwd []\n"))


def test_a_policy_that_is_not_there_is_refused_with_the_setting_to_check(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.yaml cannot be read.*CASEPROOF_POLICY"):
        load_policy(tmp_path / "nowhere.yaml")


def test_a_refused_policy_is_an_error_for_people() -> None:
    assert issubclass(PolicyError, CaseproofError)


def test_names_are_tidied_and_the_policy_cannot_be_changed(tmp_path: Path) -> None:
    policy = load_policy(write(tmp_path, "team: ['  team   lead ', operator]"))
    assert policy.team == ("team lead", "operator")
    with pytest.raises(ValueError, match="frozen"):
        policy.desk = "other"  # type: ignore[misc]


def test_a_stop_reaches_the_job_only_where_nothing_else_is_said(tmp_path: Path) -> None:
    policy = load_policy(write(tmp_path, "team: [a, b]\nstop_scope: {expired_token: marketplace}"))
    assert policy.scope_for("expired_token") is Scope.MARKETPLACE
    assert {policy.scope_for(cause) for cause in CAUSES if cause != "expired_token"} == {Scope.JOB}


@pytest.mark.parametrize(
    ("review", "mode"),
    [("{}", "another person"), ("{by: anybody}", "anybody"), ("{required: false, by: anybody}", "")],
)
def test_a_decision_writes_down_which_review_it_needs(review: str, mode: str, tmp_path: Path) -> None:
    assert load_policy(write(tmp_path, f"team: [a, b]\nreview: {review}")).review_mode == mode


def test_the_policy_in_force_is_the_one_that_is_set_then_the_homes_then_the_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("CASEPROOF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path))
    assert policy_file(Settings()) == BUILT_IN
    own = write(tmp_path, "team: [a]")
    assert policy_file(Settings()) == own
    monkeypatch.setenv("CASEPROOF_POLICY", "~/mine.yaml")
    assert policy_file(Settings()) == Path("~/mine.yaml").expanduser()


def test_an_entry_that_stands_twice_is_refused_because_one_of_them_would_be_ignored(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("team: [operator, team lead]\ndesk: one\ndesk: two\n")
    with pytest.raises(PolicyError, match=r"line 3, column 1: desk stands there twice"):
        load_policy(path)


def test_threads_that_see_a_new_policy_at_once_each_go_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CASEPROOF_POLICY", raising=False)
    settings, at_once = Settings(home=tmp_path), threading.Barrier(8)
    write(tmp_path, "team: [operator, team lead]\n")

    def sees(_: int) -> tuple[str, ...]:
        at_once.wait()
        return policy_in_force(settings).policy.team

    with ThreadPoolExecutor(8) as threads:
        for _ in range(20):
            (tmp_path / "policy-in-force.yaml").unlink(missing_ok=True)
            assert set(threads.map(sees, range(8))) == {("operator", "team lead")}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["policy-in-force.yaml", "policy.yaml"]
