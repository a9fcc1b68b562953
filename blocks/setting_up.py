"""The first set-up from one file: a whole plan first, then only what differs. Nothing is ever deleted.

``make_plan`` reads and checks everything and writes nothing; ``carry_out`` writes it, blocks first, and reads it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect_email import EmailServerCredentials
from pydantic import SecretStr, ValidationError

from blocks.base import NoSuchBlock, PlatformBlock, PrefectDown, StaleBlock, load_block, require_prefect
from blocks.catalogue import register_blocks
from blocks.channels import CONNECTS, TEAMS, VOICES, GoToCall, TeamsWebhook, TwilioVoice
from blocks.desks import DESKS
from blocks.inbox import RetailerMailbox
from blocks.mail import account_of, smtp_type_of
from blocks.platforms import PLATFORMS
from caseproof.channels.inbound.imap_account import USUAL_PORTS
from caseproof.config.contacts_file import NOT_UTF_8, ContactLine
from caseproof.config.setup_file import (
    BlockEntry,
    InboxEntry,
    MailEntry,
    SetupFile,
    no_password_inside,
    only_from_env,
    read_setup,
    refusal,
)
from caseproof.config.yaml_file import plain
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.contact_list import AS_IT_IS, NEW, put_contacts
from caseproof.procedure.core.services import Services

PREFIX = "caseproof-"
"""What our block types' slugs begin with; the rest is the ``type`` in a set-up file."""


@dataclass(frozen=True)
class Change:
    """One thing that the file describes. ``state``: "new", "as it is" or "changed: ..."; never a value."""

    what: str
    name: str
    state: str
    block: Block | None = None

    @property
    def is_one(self) -> bool:
        """Whether there is anything to do."""
        return self.state != AS_IT_IS


@dataclass(frozen=True)
class SetupPlan:
    """All changes in the order of the file, and what the reader should know besides."""

    file: Path
    changes: tuple[Change, ...]
    contacts: tuple[ContactLine, ...]
    notes: tuple[str, ...] = ()

    @property
    def to_do(self) -> int:
        """How many things differ from what is saved."""
        return sum(change.is_one for change in self.changes)


def make_plan(services: Services, path: Path, environment: Mapping[str, str]) -> SetupPlan:
    """Read and check the file and compare it with what is saved; nothing is written.

    Raises SetupError, ContactsError, PrefectDown and StoreError.
    """
    file = read_setup(path, environment)
    lines = tuple(file.contact_lines(path.parent))
    wanted = _blocks(file, path)
    require_prefect()
    changes = [Change(what, name, _compared(block, name, what), block) for what, name, block in wanted]
    notes = [f"The list '{file.contacts}' {NOT_UTF_8}"] if any(line.guessed for line in lines) else []
    changes += _contacts(services, lines, path, commit=False)
    return SetupPlan(path, tuple(changes), lines, (*_notes(services, file), *notes))


def carry_out(services: Services, plan: SetupPlan) -> None:
    """Register the forms, save what the plan says, and read it back. Repeating is harmless.

    Raises PrefectDown, StoreError, and CaseproofError where something is not saved as it was given.
    """
    register_blocks()
    for change in plan.changes:
        if change.block is not None and change.is_one:
            _save(change.block, change.name, change.what)
    _contacts(services, plan.contacts, plan.file, commit=True)
    with services.store.uow() as uow:
        uow.owed.try_at_once()  # whatever could not be done may have waited for this
        uow.commit()
    left = [one for one in plan.changes if one.block and _compared(one.block, one.name, one.what) != AS_IT_IS]
    if left:
        names = ", ".join(f"{change.what} '{change.name}'" for change in left)
        raise CaseproofError(f"Not saved as given: {names}.", "Somebody may be changing it too: set it up once more.")


def _contacts(services: Services, lines: tuple[ContactLine, ...], path: Path, *, commit: bool) -> list[Change]:
    """What happens to the contacts, in one transaction; it lasts only with ``commit``."""
    if not lines:
        return []
    with services.store.uow() as uow:
        states = put_contacts(uow.people, lines, f"The contacts of {path}", services.clock())
        if commit:
            uow.commit()
    return [
        Change("contact", f"{line.retailer}: {line.address}", state) for line, state in zip(lines, states, strict=True)
    ]


# -- blocks ---------------------------------------------------------------------------------------------------------


def _blocks(file: SetupFile, path: Path) -> list[tuple[str, str, Block]]:
    """The blocks of the file: what each is, its name, and itself. Raises SetupError with all that is wrong."""
    wrong: list[str] = []
    found: list[tuple[str, str, Block | None]] = []
    for entry in file.platforms:
        found.append(("platform", entry.name, _block(entry, PLATFORMS, f"platforms.{entry.name}", wrong)))
    if file.desk:
        found.append(("desk", file.desk.name, _block(file.desk, DESKS, "desk", wrong)))
    if file.mail:
        found.append(("mail account", file.mail.name, _mail(file.mail)))
    if file.inbox:
        found.append(("mailbox", file.inbox.name, _inbox(file.inbox)))
    for entry in file.voices:
        found.append(("voice account", entry.name, _block(entry, VOICES, f"voices.{entry.name}", wrong)))
    voices = [block for what, _, block in found if what == "voice account" and isinstance(block, TwilioVoice)]
    if len({block.account_sid for block in voices}) < len(voices):
        wrong.append("voices: two blocks are one account; the second is for when the first account fails")
    if file.teams:
        found.append(("Teams web hook", file.teams.name, _block(file.teams, TEAMS, "teams", wrong)))
    if file.connect:
        found.append(("account that connects", file.connect.name, _block(file.connect, CONNECTS, "connect", wrong)))
    if wrong:
        raise refusal(path, wrong)
    return [(what, name, block) for what, name, block in found if block is not None]


def _block(entry: BlockEntry, kinds: tuple[type[Block], ...], where: str, wrong: list[str]) -> Block | None:
    """The block of an entry; None where something is wrong with it, which is added to ``wrong``."""
    types = {kind.get_block_type_slug().removeprefix(PREFIX): kind for kind in kinds}
    kind = types.get(entry.type)
    if kind is None:
        wrong.append(f"{where}.type: is one of {', '.join(types)}")
        return None
    mine = []
    for name, value in entry.fields.items():
        field = kind.model_fields.get(name)
        if field is None:
            mine.append(f"{where}.{name}: {plain('extra_forbidden', '')}")
            continue
        try:
            (only_from_env if field.annotation is SecretStr else no_password_inside)(value)
        except ValueError as error:
            mine.append(f"{where}.{name}: {error}")
    try:
        block = kind(**entry.fields)
        if not mine:
            _refuse_unusable(block, entry.name)
    except ValidationError as error:
        mine += [f"{where}.{'.'.join(map(str, e['loc']))}: {plain(e['type'], e['msg'])}" for e in error.errors()]
    except CaseproofError as error:
        mine.append(f"{where}: {error.problem.rstrip('.')} ({error.next_action.rstrip('.')})")
    wrong += mine
    return None if mine else block


def _refuse_unusable(block: Block, name: str) -> None:
    """Raises BadInput for what a client of it would refuse, like an address that is none."""
    match block:
        case PlatformBlock():
            block.client().close()
        case TwilioVoice() | GoToCall():
            block.account(name)
        case TeamsWebhook():
            block.hook(name)


def _mail(entry: MailEntry) -> EmailServerCredentials:
    block = EmailServerCredentials(
        smtp_server=entry.host,
        smtp_type=smtp_type_of(entry.security),
        smtp_port=entry.port,
        username=entry.username,
        password=entry.password,
        verify=entry.verify,
    )
    account_of(block, 1)  # raises BadInput for what no mail could be sent with
    return block


def _inbox(entry: InboxEntry) -> RetailerMailbox:
    fields = entry.model_dump(exclude={"name", "port"})  # each is called as the block's
    block = RetailerMailbox(port=entry.port or USUAL_PORTS[entry.security], **fields)
    block.account(1)  # raises BadInput for what no mailbox could be read with
    return block


def _compared(block: Block, name: str, what: str) -> str:
    """How the block differs from the one that is saved under its name."""
    try:
        saved = load_block(name, (type(block),), what)
    except NoSuchBlock:
        return NEW
    except StaleBlock:
        return "changed: saved by another version"
    fields = [field for field in type(block).model_fields if getattr(saved, field) != getattr(block, field)]
    return f"changed: {', '.join(fields)}" if fields else AS_IT_IS


def _save(block: Block, name: str, what: str) -> None:
    """Save the block under its name, over whatever stands there."""
    prefects: Any = block  # its types do not know `_sync`
    try:
        number = prefects.save(name, overwrite=True, _sync=True)
        # Prefect merges into what is saved, so a field of an older version, perhaps a password, would stay for good.
        update = BlockDocumentUpdate(data=_data(block, name), merge_existing_data=False)
        with get_client(sync_client=True) as client:
            client.update_block_document(number, update)
    except Exception as error:  # Prefect's client raises what its HTTP library raises
        raise PrefectDown(
            f"The {what} '{name}' was not saved: {type(error).__name__}.",
            "Check that the Prefect server is running, then set it up once more: what was saved stays as it is.",
        ) from error


def _data(block: Block, name: str) -> dict[str, Any]:
    data: dict[str, Any] = block._to_block_document(name=name, include_secrets=True).data
    return data


def _notes(services: Services, file: SetupFile) -> tuple[str, ...]:
    """Where the policy names another desk, account or channel than the file."""
    policy, paging = services.policy, services.policy.paging
    first, second = [*file.voices, None, None][:2]
    desks = (policy.desk, policy.desk_of("SC"), policy.development_desk)
    named = [
        ("desk", "desk", file.desk, file.desk.name if file.desk and file.desk.name in desks else policy.desk),
        ("mail account", "mail.account", file.mail, policy.mail.account),
        ("mailbox", "answers.mailbox", file.inbox, policy.answers.mailbox),
        ("voice account", "paging.voice", first, paging.voice),
        ("second voice account", "paging.second_voice", second, paging.second_voice),
        ("Teams web hook", "paging.teams", file.teams, paging.teams),
        ("account that connects", "paging.connect", file.connect, paging.connect),
    ]
    return tuple(
        f"The policy uses the {what} '{used}' ({entry}), not '{given.name}'."
        if used
        else f"The policy uses no {what}: write '{given.name}' at {entry}."
        for what, entry, given, used in named
        if given is not None and given.name != used
    )
