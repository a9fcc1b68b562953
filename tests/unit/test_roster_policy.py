"""The call list in the policy: what could only fail when somebody has to be called is found when it is loaded."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from caseproof.config.policy import Policy, PolicyError, load_policy
from caseproof.config.public_holidays import public_holidays
from caseproof.domain.on_call.roster import Line

NUMBER = 'mobile: "+442079460123"'


def load(folder: Path, text: str) -> Policy:
    path = folder / "policy.yaml"
    path.write_text(f"team: [a, b]\n{text}", encoding="utf-8")
    return load_policy(path)


def one(entries: str) -> str:
    return f"on_call: {{people: [{{name: Product Lead, {entries}}}]}}"


BAD = {
    "without a number": (one("mail: lead@example.com"), ["on_call.people.Product Lead: ", "has no number"]),
    "an extension to nowhere": (one('extension: "101"'), ["people.Product Lead", "main_number is empty"]),
    "no country code": (one('mobile: "02079460123"'), ["Product Lead.mobile: ", "with the country code"]),
    "too short": (one('mobile: "+44123"'), ["Product Lead.mobile: ", "too short or too long"]),
    "no quotation marks": (one("mobile: +442079460123"), ["Product Lead.mobile: ", "quotation marks"]),
    "an octal extension": (one("extension: 0101"), ["Product Lead.extension: ", "quotation marks"]),
    "an extension of words": (one('extension: "ask for me"'), ["Product Lead.extension: ", "is no extension"]),
    "an extension too long to dial": (
        'on_call: {main_number: "+442079460100", people: [{name: Product Lead, extension: "1,,,,,,,,,,,,,,,2"}]}',
        ["people.Product Lead.extension is longer with its pauses"],
    ),
    "no mail address": (one(f"{NUMBER}, mail: lead"), ["Product Lead.mail: ", "is not a mail address"]),
    "no time zone": (one(f"{NUMBER}, timezone: Mars/North"), ["Product Lead.timezone: ", "no time zone 'Mars/North'"]),
    "YAML's idea of 17:00": (one(f"{NUMBER}, ends: 17:00"), ["Product Lead.ends: ", "quotation marks"]),
    "hours backwards": (one(f'{NUMBER}, begins: "18:00"'), ["Product Lead: ", "before they begin"]),
    "a tier nobody has": (one(f"{NUMBER}, tier: L9"), ["Product Lead.tier: ", "'PT'"]),
    "nobody who is called": (one(f"{NUMBER}, tier: L1"), ["on_call: people: nobody is of PT"]),
    "a country nobody knows": (one(f"{NUMBER}, country: XX"), ["Product Lead: ", "country 'XX'"]),
    "a province nobody knows": (one(f"{NUMBER}, country: DE, subdivision: ZZ"), ["subdivision 'ZZ' of DE"]),
    "the same person twice": (
        f"on_call: {{people: [{{name: Product Lead, {NUMBER}}}, {{name: product  lead, {NUMBER}}}]}}",
        ["product lead stands there twice"],
    ),
    "leave of a stranger": (
        "on_call: {leave: [{person: Somebody, first: 2026-01-01, last: 2026-01-02}]}", ["leave: Somebody is not among"],
    ),
    "leave backwards": (
        "on_call: {leave: [{person: Somebody, first: 2026-01-03, last: 2026-01-02}]}", ["ends before it begins"],
    ),
    "an override without a zone": (
        "on_call: {overrides: [{person: A, begins: 2026-01-01T08:00:00, ends: 2026-01-01T09:00:00}]}",
        ["on_call.overrides.0.begins: ", "timezone"],
    ),
    "an override for a stranger": (
        f"on_call: {{people: [{{name: A, {NUMBER}}}], overrides: [{{person: A, instead_of: B, "
        "begins: 2026-01-01T08:00:00Z, ends: 2026-01-01T09:00:00Z}]}",
        ["overrides: B is not among the people"],
    ),
    "a calendar from nowhere": ("on_call: {calendars: [{name: nights}]}", ["calendars.nights: ", "a file or"]),
    "a calendar by ftp": (
        "on_call: {calendars: [{name: nights, address: 'ftp://example.com/x'}]}", ["calendars.nights: ", "https://"],
    ),
    "a contract of no kind": ("contracts: {Gold: {kind: always}}", ["contracts.Gold.kind: ", "'24x7'"]),
    "a client of no contract": ("clients: {Client One: Gold}", ["Client One has the contract 'Gold'", "none yet"]),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_entry_is_refused_when_the_policy_is_loaded_by_its_name(bad: str, tmp_path: Path) -> None:
    text, says = BAD[bad]
    with pytest.raises(PolicyError) as refused:
        load(tmp_path, text)
    for part in says:
        assert part in refused.value.problem


def test_an_extension_is_dialled_through_the_main_number_with_its_pauses(tmp_path: Path) -> None:
    own = load(
        tmp_path,
        'on_call: {main_number: "+1 (415) 555-0100", extension_pause_seconds: 1.5, people: '
        '[{name: Product Lead, mobile: "+44 20 7946 0123", extension: "2,101#"}]}',
    ).on_call
    assert own.lines_of(own.people[0]) == (Line("+442079460123"), Line("+14155550100", "2,101#", 1.5))


def test_public_holidays_know_provinces_and_substitute_days() -> None:
    assert date(2026, 1, 6) in public_holidays("DE", "BY", 2026)
    assert date(2026, 1, 6) not in public_holidays("DE", "BE", 2026)
    assert date(2027, 12, 27) in public_holidays("GB", "ENG", 2027)  # Christmas Day is a Saturday


def test_each_example_of_the_page_is_a_policy() -> None:
    page = (Path(__file__).parents[2] / "docs" / "on-call.md").read_text(encoding="utf-8")
    examples = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    assert len(examples) == 6
    whole, people = examples[0], examples[0]["on_call"]["people"]
    for example in examples:
        named = example | {"on_call": {"people": people, "main_number": "+14155550100"} | example.get("on_call", {})}
        Policy.model_validate({"team": ["a", "b"]} | named)
    assert set(whole) == {"on_call", "paging", "contracts", "clients"}
