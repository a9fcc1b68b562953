"""Sets a small world up, in a process with that world's environment: ``python -m sandbox.set_up < facts``."""

from __future__ import annotations

import json
import sys
from typing import Any

from prefect_email import EmailServerCredentials

from blocks.desks import EmbeddedDesk
from blocks.http_jobs import HttpJobs
from blocks.inbox import RetailerMailbox
from blocks.platforms import PrefectJobs
from blocks.zoho import ZohoDesk
from caseproof.procedure.core.services import bootstrap
from sandbox.jobs import deploy_jobs, save_token
from sandbox.world import CONTACTS, CUSTOMER_POOL, INBOX, PLATFORM, ROOT


def main() -> None:
    """Read the facts (JSON) from standard input. With a marketplace: set all up; else only the tokens are renewed."""
    facts = json.load(sys.stdin)
    if "job_service" not in facts:
        for retailer, token in facts["tokens"].items():
            save_token(facts["api_url"], facts["auth"], retailer, token)
    if "marketplace_url" in facts:
        _set_up(facts)


def _set_up(facts: dict[str, Any]) -> None:
    services = bootstrap()
    service, desk = facts.get("job_service"), facts.get("desk")
    platform = HttpJobs(**service) if service else PrefectJobs(api_url=facts["api_url"], ui_url=facts["ui_url"])
    platform.save(PLATFORM, overwrite=True)
    (ZohoDesk(**desk) if desk else EmbeddedDesk()).save(services.policy.desk, overwrite=True)
    EmailServerCredentials(smtp_server=facts["smtp_host"], smtp_port=facts["smtp_port"], smtp_type="INSECURE").save(
        services.policy.mail.account, overwrite=True
    )
    if "inbox" in facts:
        RetailerMailbox(**facts["inbox"]).save(INBOX, overwrite=True)
    with services.store.uow() as uow:
        for retailer, address in CONTACTS.items():
            uow.people.add_contact(retailer, address, "Shop owner")
        uow.commit()
    for retailer in () if service else CONTACTS:
        deploy_jobs(
            facts["api_url"],
            facts["auth"],
            retailer=retailer,
            marketplace_url=facts["marketplace_url"],
            source_dir=ROOT,
            pool=CUSTOMER_POOL,
        )


if __name__ == "__main__":
    main()
