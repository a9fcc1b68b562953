"""What a WooCommerce site is able to do, and what of it depends on the receiver's record that its block names."""

from __future__ import annotations

from collections.abc import Mapping

from caseproof.platforms.abilities import Ability, Lack, all_but

KEYS_PAGE = "WooCommerce > Settings > Advanced > REST API"
NO_RECORD = "WooCommerce does not tell deliveries by its API, and the block names no receiver's record."
SHOW = (
    "A person shows the delivery: its line in WooCommerce > Status > Logs (source webhooks-delivery) and the entry at "
    "the receiver. Or name the receiver's record in the block."
)
_RERUN = Lack(
    "WooCommerce has no route that delivers a webhook again, and the receiver's record declares no `rerun`.",
    "Let the receiver take the data once more, or make the change in the shop that the webhook waits for.",
)
WITHOUT_RECORD: Mapping[Ability, Lack] = {
    Ability.VERIFY: Lack(NO_RECORD, SHOW),
    Ability.RUN: _RERUN,
    Ability.KEYED_RUN: _RERUN,
    Ability.RENDERED: Lack(NO_RECORD, SHOW),
    Ability.PAGE: Lack("WooCommerce has no page of a delivery, and the block names no receiver's record.", SHOW),
}
"""What a site whose block names no record lacks besides."""
NO_RERUN = {Ability.RUN: _RERUN, Ability.KEYED_RUN: _RERUN}
NO_PAGE = {
    Ability.PAGE: Lack(
        "WooCommerce has no page of a delivery, and the receiver's record declares no `page`.",
        "Give the record a `page`, or take the page that Caseproof renders, where the policy lets it close a case.",
    )
}
RECORD_HAS_PAGE = {Ability.RENDERED: Lack("The receiver's record has a page of its own.", "That page is photographed.")}

ABILITIES = all_but(
    Ability,
    {
        Ability.SCHEDULES: Lack(
            "A webhook has no schedule: it is delivered when something happens in the shop.",
            "Ask the shop whether anything happened there that should have been delivered.",
        ),
        Ability.CANCEL: Lack(
            "What WooCommerce queued before the stop is delivered still: its Action Scheduler has no REST route.",
            "The shop's administrator cancels it at WooCommerce > Status > Scheduled Actions "
            "(woocommerce_deliver_webhook_async).",
        ),
        Ability.PARAMETERS: Lack("A delivery carries what the shop holds.", "Change the data in the shop."),
    },
    {
        Ability.VERIFY: "where the block names the receiver's record",
        Ability.RUN: "where the receiver's record has `rerun`",
        Ability.KEYED_RUN: "where the receiver's record has `rerun`",
        Ability.PAGE: "where the receiver's record has `page`",
        Ability.RENDERED: "where the receiver's record has no `page`",
    },
)
"""What a WooCommerce site is able to do."""
