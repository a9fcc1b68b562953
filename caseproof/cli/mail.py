"""`caseproof mail preview`: what retailers get, as files to look at. Nothing is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from caseproof.channels.outbound import samples
from caseproof.channels.outbound.languages import LANGUAGES, language_of, require_language
from caseproof.channels.outbound.notice import NoticeFacts
from caseproof.cli.common import out, safe
from caseproof.config.settings import read_settings
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import require_job_failure
from caseproof.domain.spelling import no_such
from caseproof.domain.vocabulary import CAUSES, Decision
from caseproof.procedure.core.services import Services, bootstrap

mail_app = typer.Typer(no_args_is_help=True, help="What retailers get by mail.")

WIDTHS = {"phone": 390, "desktop": 1024}
"""The widths that mail is looked at in, in CSS pixels."""


class MailKind(StrEnum):
    """The mails that a retailer gets."""

    NOTICE = "notice"
    REMINDER = "reminder"
    RECOVERY = "recovery"


@mail_app.callback()
def _mail() -> None:
    """What retailers get by mail."""


@mail_app.command("preview")
def mail_preview(
    kind: Annotated[MailKind, typer.Option(help="Which mail.")] = MailKind.NOTICE,
    cause: Annotated[str, typer.Option(help=f"The cause: {', '.join(CAUSES)}.")] = "",
    language: Annotated[str, typer.Option(help=f"The language: {', '.join(LANGUAGES)}.")] = "",
    ref: Annotated[str, typer.Option("--case", help="Take the facts from this case; otherwise made-up ones.")] = "",
    folder: Annotated[Path, typer.Option(help="Where to write the files.")] = Path("mail-preview"),
) -> None:
    """Write a mail as text, as HTML and as pictures of a phone and a desktop, and print where. Sends nothing."""
    if cause and cause not in CAUSES:
        raise no_such("cause", cause, CAUSES)
    require_language(language)
    message = _of_case(bootstrap(), ref.upper(), kind, cause, language) if ref else _made_up(kind, cause, language)
    name = "-".join(part for part in (ref.lower(), kind.value, cause, language) if part)
    files = _write(message, folder, name)
    files += _pictures(files[1], read_settings().browser)
    out.print(f"Subject: {safe(message['Subject'])}", highlight=False, soft_wrap=True)
    for file in files:
        out.print(safe(file), highlight=False, soft_wrap=True)
    if len(files) == 2:
        out.print("No pictures: there is no browser. Install one: python -m caseproof.evidence.browser --install")


# -- the mail -------------------------------------------------------------------------------------------------------


def _made_up(kind: MailKind, cause: str, language: str) -> EmailMessage:
    speaks = language_of(language, "")
    return _mail_of(kind, samples.notice_facts(speaks, cause or "expired_token"))


def _of_case(services: Services, ref: str, kind: MailKind, cause: str, language: str) -> EmailMessage:
    """The mail that this case would send to its first contact; with a made-up link, which leads nowhere."""
    case = services.ledger.case(ref)
    require_job_failure(case)
    with services.store.reading() as uow:
        contacts = uow.people.contacts(case.facts.get("retailer") or "")
    contact = contacts[0] if contacts else None
    speaks = language_of(language or (contact.language if contact else ""), services.policy.mail.language)
    failed_at = case.facts.get("failed_at")
    facts = replace(
        samples.notice_facts(speaks, cause or case.facts["cause"]),
        ref=case.ref,
        retailer=case.facts.get("retailer") or "",
        contact_name=contact.name if contact else "",
        job_name=case.facts["job_name"],
        marketplace=case.facts.get("marketplace"),
        summary=case.facts["summary"],
        failed_at=datetime.fromisoformat(failed_at) if failed_at else None,
        again=case.round > 1,
        zone=services.policy.letters_zone,
    )
    contained = case.contained
    if contained is not None and contained.event.kind is not Kind.STOPPED:
        facts = replace(facts, stopped=False, cannot_stop_why=contained["why"], who_can=contained["who_can"])
    return _mail_of(kind, facts, removed=case.decided is Decision.REMOVE)


def _mail_of(kind: MailKind, facts: NoticeFacts, *, removed: bool = False) -> EmailMessage:
    first = samples.notice(facts)
    if kind is MailKind.REMINDER:
        told = replace(
            samples.reminder_facts(facts.language), contact_name=facts.contact_name, stopped=facts.stopped,
            jobs=(f"{facts.ref}: {facts.job_name}",), zone=facts.zone,
        )  # fmt: skip
        return samples.reminder(told, first)
    if kind is MailKind.RECOVERY:
        works = replace(
            samples.recovery_facts(facts.language), ref=facts.ref, contact_name=facts.contact_name,
            job_names=(facts.job_name,), marketplace=facts.marketplace, removed=removed,
            zone=facts.zone,
        )  # fmt: skip
        return samples.recovery(works, first)
    return first


# -- the files ------------------------------------------------------------------------------------------------------


def _write(message: EmailMessage, folder: Path, name: str) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for part, ending in (("plain", "txt"), ("html", "html")):
            body = message.get_body((part,))
            files.append(folder / f"{name}.{ending}")
            files[-1].write_text(body.get_content() if body else "", encoding="utf-8")
    except OSError as error:
        raise CaseproofError(f"{folder} cannot be written: {error.strerror}.", "Give another --folder.") from error
    return files


def _pictures(page: Path, configured: Path | None) -> list[Path]:
    """The page as a phone and a desktop show it; none where there is no browser."""
    from playwright.sync_api import Error, sync_playwright  # the other commands need neither

    from caseproof.evidence.browser import ARGUMENTS, find_browser, started

    browser = find_browser(configured)
    if browser is None:
        return []
    files = {width: page.with_name(f"{page.stem}-{name}.png") for name, width in WIDTHS.items()}
    try:
        with sync_playwright() as playwright:
            chromium = started(
                browser,
                lambda sandbox: playwright.chromium.launch(
                    executable_path=browser, args=ARGUMENTS, chromium_sandbox=sandbox
                ),
            )
            for width, file in files.items():
                tab = chromium.new_page(viewport={"width": width, "height": 800}, java_script_enabled=False)
                tab.set_content(page.read_text(encoding="utf-8"))
                tab.screenshot(path=file, full_page=True)
            chromium.close()
    except Error as error:
        said = str(error).partition("\n")[0]
        raise CaseproofError(f"The browser took no picture: {said}", f"See whether `{browser}` starts.") from error
    return list(files.values())
