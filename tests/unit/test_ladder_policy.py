"""Support cases in the policy: what cannot work is refused when it is loaded, by the name of the entry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caseproof.config.policy import BUILT_IN, Policy, PolicyError, load_policy
from caseproof.domain.support.vocabulary import Tier
from caseproof.procedure.core.support import people_of

LEAD = 'on_call: {people: [{name: Product Lead, mobile: "+442079460123", mail: lead@example.com}]}'
BAD = {
    "an address that is none": ("ladder: {address: support}", ["ladder.address: ", "is not a mail address"]),
    "a tier nobody knows": ("ladder: {people: [{name: A, tiers: [L9]}]}", ["ladder.people.A.tiers", "'L1'"]),
    "somebody of no tier": ("ladder: {people: [{name: A, tiers: []}]}", ["ladder.people.A.tiers"]),
    "the same person twice": (
        "ladder: {people: [{name: A, tiers: [L1]}, {name: a, tiers: [L2]}]}", ["people: a stands there twice"],
    ),
    "a mail that is none": ("ladder: {people: [{name: A, tiers: [L1], mail: a}]}", ["A.mail: ", "mail address"]),
    "a lead nobody knows": ("ladder: {leads: {L1: Somebody}}", ["ladder.leads.L1: Somebody is neither in"]),
    "a lead without mail": (
        "ladder: {people: [{name: A, tiers: [L1]}], leads: {L1: A}}", ["ladder.leads.L1: A has no mail address"],
    ),
    "no time": ("ladder: {limits: {L1: {nudge_hours: 0}}}", ["ladder.limits.L1.nudge_hours"]),
    "handed on before it is reminded": (
        "ladder: {limits: {L1: {nudge_hours: 4, hand_on_hours: 4}}}", ["ladder.limits.L1: ", "before anybody is"],
    ),
    "a document nobody can open": (
        "ladder: {documents: {Shop: [{name: Cart, address: cart.pdf}]}}", ["Shop", "is no address of a page"],
    ),
    "a product twice": (
        "ladder: {documents: {Shop: [], shop: []}}", ["documents: shop stands there twice"],
    ),
    "a document twice": (
        "ladder: {documents: {Shop: [{name: A, address: 'https://a.example'}, {name: B, address: 'https://a.example'}]}}",
        ["documents.Shop: https://a.example stands there twice"],
    ),
    "a misspelt entry": ("ladder: {adress: a@example.com}", ["ladder.adress"]),
}  # fmt: skip


def load(folder: Path, text: str) -> Policy:
    path = folder / "policy.yaml"
    path.write_text(f"team: [a, b]\n{text}\n", encoding="utf-8")
    return load_policy(path)


def test_the_example_on_the_page_is_a_policy_with_somebody_in_each_tier_that_it_names(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "ladder.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    policy = load(tmp_path, example)
    assert {one.name: one.tiers for one in policy.ladder.people} == {
        "Front Desk": ("L1",), "Senior Technician": ("L2",), "Site Builder": ("DEV", "IMPLEMENTATION"),
    }  # fmt: skip
    assert policy.ladder.lead_mail("L2", policy.on_call) == "senior.technician@example.com"


@pytest.mark.parametrize("what", sorted(BAD))
def test_a_bad_entry_of_the_ladder_is_refused_when_the_policy_is_loaded(what: str, tmp_path: Path) -> None:
    text, told = BAD[what]
    with pytest.raises(PolicyError) as error:
        load(tmp_path, text)
    assert all(one in error.value.problem for one in told), error.value.problem


def test_there_is_one_list_of_people_and_the_ladder_adds_who_has_no_telephone(tmp_path: Path) -> None:
    policy = load(
        tmp_path, f"{LEAD}\nladder: {{people: [{{name: Desk, tiers: [L1, PT]}}], leads: {{PT: product lead}}}}"
    )
    assert people_of(policy) == {
        Tier.L1: ("Desk",), Tier.L2: (), Tier.PT: ("Product Lead", "Desk"),
        Tier.DEV: ("Product Lead", "Desk"), Tier.IMPLEMENTATION: ("Product Lead", "Desk"),
    }, "where development and implementation have nobody, PT answers for them"  # fmt: skip
    dev = load(tmp_path, f"{LEAD}\nladder: {{people: [{{name: Dev, tiers: [DEV]}}]}}")
    assert people_of(dev)[Tier.DEV] == ("Dev",)
    assert policy.ladder.mail_of("product  lead", policy.on_call) == "lead@example.com"
    alone = people_of(load(tmp_path, "ladder: {people: [{name: Second, tiers: [L2]}]}"))
    assert (alone[Tier.L1], alone[Tier.L2], alone[Tier.PT]) == (("a", "b"), ("Second",), ())
    assert set(people_of(load(tmp_path, "")).values()) == {("a", "b")}


def test_documents_are_found_by_the_product_and_by_the_product_that_stands_in_its_name() -> None:
    ladder = load_policy(BUILT_IN).ladder
    known = ladder.documents_of("WooCommerce")
    assert known
    assert ladder.documents_of("woocommerce") == ladder.documents_of("Our WooCommerce 10.5 shops") == known
    assert ladder.documents_of("MyWooCommerceFork") == ladder.documents_of("a till") == ()
