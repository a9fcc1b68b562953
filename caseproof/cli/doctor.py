"""`caseproof doctor`: what is wrong with this installation, and what to do.

Here the parts are read that only Prefect knows (its settings, the saved blocks, the flows); the checks know none of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

import caseproof
from caseproof.channels.inbound.imap_account import ImapAccount
from caseproof.channels.outbound.mail import MailAccount
from caseproof.channels.teams.webhook import TeamsWebhook
from caseproof.channels.voice.twilio import TwilioVoice
from caseproof.cli.common import AsJson, out, print_json, safe, table_of
from caseproof.cli.terminal import HouseTable
from caseproof.config.policy import Policy
from caseproof.config.settings import Settings, read_settings
from caseproof.config.shipped import shipped
from caseproof.desks.base import Desk
from caseproof.doctor import Failed, Finding, Installation, Outcome, PrefectAccess, WantedDeployment, examine
from caseproof.domain.errors import CaseproofError
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.core.services import Services

LOCK = Path(caseproof.__file__).resolve().parents[1] / "requirements.lock"
"""Beside the package where we run from the project's folder; an installed wheel has none."""

_MARKS = {Outcome.OK: "[green]ok[/]", Outcome.FAILED: "[bold red]FAILED[/]", Outcome.NOT_CHECKED: "[yellow]-[/]"}


def doctor(as_json: AsJson = False) -> None:
    """Check everything that a case needs, and say what is wrong and what to do. Changes nothing, sends nothing."""
    findings = examine(installation(read_settings()))
    if as_json:
        names = ("check", "ok", "found", "next_action")
        print_json([{name: getattr(one, name) for name in names} for one in findings])
    else:
        out.print(findings_table("Caseproof's doctor", findings))
        if all(one.ok for one in findings):
            out.print(f"All is well: {len(findings)} checks passed.")
    refuse_faults(findings)


def findings_table(title: str, findings: Sequence[Finding]) -> HouseTable:
    """What was checked, and what was found."""
    table = table_of(title, "Checked", "", "Found", "Next action")
    for one in findings:
        table.add_row(safe(one.check), _MARKS[one.outcome], safe(one.found), safe(one.next_action))
    return table


def refuse_faults(findings: Sequence[Finding], before: str = "") -> None:
    """Raise CaseproofError with the first thing to put right, where there is one."""
    failed = [one for one in findings if one.outcome is Outcome.FAILED]
    if failed:
        more = f" ({len(failed)} checks failed)" if len(failed) > 1 else ""
        raise CaseproofError(f"{before}{failed[0].check}: {failed[0].found}{more}", failed[0].next_action)


def installation(settings: Settings, *, lock: Path = LOCK, prefect_file: Path | None = None) -> Installation:
    """This installation, with the parts that only Prefect can tell; by default as it was shipped."""
    prefect_file = prefect_file or shipped("prefect.yaml")
    return Installation(
        settings=settings,
        lock=lock if lock.is_file() else None,
        prefect=_access,
        deployments=lambda: wanted_deployments(prefect_file),
        account=_account,
        mailbox=_mailbox,
        desk=_desk,
        platforms=_platforms,
        voice=_voice,
        teams=_teams,
    )


# Prefect is imported inside, so that a broken installation of it is a finding and not a traceback.


def _access() -> PrefectAccess:
    import prefect
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    api = settings.api
    return PrefectAccess(
        api_url=api.url or "",
        version=prefect.__version__,
        auth=api.auth_string.get_secret_value() if api.auth_string else "",
        api_key=api.key.get_secret_value() if api.key else "",
        ui_url=settings.ui_url or "",
    )


def wanted_deployments(file: Path) -> list[WantedDeployment]:
    """The deployments that `prefect deploy --all` would make of this prefect.yaml. Raises Failed for a broken one."""
    try:
        asked: Sequence[Mapping[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))["deployments"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise Failed(f"{file} cannot be read.", "It is part of Caseproof: install Caseproof again.") from error
    return [_wanted(one) for one in asked]


def _wanted(asked: Mapping[str, Any]) -> WantedDeployment:
    from prefect.flows import Flow, load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema

    flow: Flow[..., Any] = load_flow_from_entrypoint(asked["entrypoint"], use_placeholder_flow=False)
    return WantedDeployment(
        name=f"{flow.name}/{asked['name']}",
        entrypoint=asked["entrypoint"],
        pool=asked["work_pool"]["name"],
        tags=frozenset(asked.get("tags") or ()),
        description=asked.get("description") or inspect.cleandoc(flow.description or ""),
        schema=parameter_schema(flow).model_dump(mode="json"),
    )


def _account(policy: Policy) -> MailAccount:
    from prefect_email import EmailServerCredentials

    from blocks.base import load_block
    from blocks.mail import account_of

    mail = policy.mail
    return account_of(load_block(mail.account, (EmailServerCredentials,), "mail account"), mail.timeout_seconds)


def _mailbox(policy: Policy) -> ImapAccount:
    from blocks.base import load_block
    from blocks.inbox import MAILBOXES

    return load_block(policy.answers.mailbox, MAILBOXES, "mailbox").account(policy.mail.timeout_seconds)


def _desk(services: Services) -> Desk:
    from blocks.base import load_block
    from blocks.desks import DESKS

    return load_block(services.policy.desk, DESKS, "desk").client(services)


def _voice(name: str) -> TwilioVoice:
    from blocks.base import load_block
    from blocks.channels import VOICES

    return load_block(name, VOICES, "voice account").client(name)


def _teams(name: str) -> TeamsWebhook:
    from blocks.base import load_block
    from blocks.channels import TEAMS

    return load_block(name, TEAMS, "Teams web hook").client(name)


def _platforms() -> dict[str, Callable[[], JobPlatform]]:
    """Every saved platform by its name, loaded when it is called."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    from blocks.platforms import PLATFORMS

    found: dict[str, Callable[[], JobPlatform]] = {}
    with get_client(sync_client=True) as client:
        for kind in PLATFORMS:
            slug = kind.get_block_type_slug()
            try:
                client.read_block_type_by_slug(slug)
            except ObjectNotFound:
                continue  # nobody registered or saved one of this kind yet
            saved = client.read_block_documents_by_type(slug, include_secrets=False)
            found |= {one.name: partial(_platform, one.name, kind) for one in saved if one.name}
    return dict(sorted(found.items()))


def _platform(name: str, kind: Any) -> JobPlatform:
    from blocks.base import load_block

    client: JobPlatform = load_block(name, (kind,), "platform").client()
    return client
