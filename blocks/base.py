"""What all blocks share: their two base classes, where their pictures and docs are, and loading one by its name.

PrefectDown        our own Prefect server does not answer
NoSuchBlock        nothing is saved under this name
StaleBlock         what is saved does not fit the block of this version
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, TypeVar

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, ValidationError, WithJsonSchema

from caseproof.config.settings import Settings
from caseproof.desks.abilities import DeskAbilities
from caseproof.desks.base import Desk
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.spelling import what_is_alike
from caseproof.http.client import origin
from caseproof.platforms.abilities import PlatformAbilities
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.core.services import Services

B = TypeVar("B", bound=Block)

_PAGE = 200
_ADDRESS = r"https?://[^\s/]\S*"


class PrefectDown(CaseproofError):
    """Our own Prefect server does not answer."""

    code = Code.PREFECT_DOWN


class NoSuchBlock(BadInput):
    """Nothing is saved under this name."""

    code = Code.NOTHING_SAVED


class StaleBlock(BadInput):
    """A saved block lacks a field of today's, or holds one that today's does not know."""

    code = Code.NOTHING_SAVED


def _refuse_other_address(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(_ADDRESS, value):
        raise ValueError("an address begins with http:// or https://, and has no space in it")
    return value


def _refuse_other_address_or_none(value: object) -> object:
    return value if value == "" else _refuse_other_address(value)


# The check speaks in plain words, where pydantic would quote the pattern; the pattern is for the form in Prefect's UI.
Address = Annotated[
    str, BeforeValidator(_refuse_other_address), WithJsonSchema({"type": "string", "pattern": f"^{_ADDRESS}$"})
]
"""The address of a page or of an API. People follow it, so it is never one that runs something (``javascript:``)."""

AddressOrNone = Annotated[
    str,
    BeforeValidator(_refuse_other_address_or_none),
    WithJsonSchema({"type": "string", "pattern": f"^({_ADDRESS})?$"}),
]
"""An ``Address``, or an empty text for none."""

Authority = Annotated[
    str,
    Field(
        title="Authority",
        description="The certificate (PEM) of an authority of your own, where the desk or a proxy has one of it. Empty "
        "for the system's list alone.",
    ),
]
"""The field ``ca`` of a desk."""

Proxy = Annotated[
    SecretStr,
    Field(
        title="Proxy",
        description="The address of a proxy that all calls go through, with its password if it asks for one.",
    ),
]
"""The field ``proxy`` of a desk."""


class PlatformBlock(Block):
    """A job platform as a block of any kind: its name is the platform's name. It has no field of its own.

    ``SYSTEM`` is what people call the system; ``ABILITIES`` what such a platform is able to do, and what that
    depends on.
    """

    SYSTEM: ClassVar[str]
    ABILITIES: ClassVar[PlatformAbilities]

    @abstractmethod
    def client(self) -> JobPlatform:
        """A client of this platform. Raises BadInput for fields that no client can be made of; calls nobody."""


class DeskBlock(Block):
    """A ticket desk as a block of any kind: its name stands in the policy (`desk`). It has no field of its own.

    ``SYSTEM`` and ``ABILITIES`` are as those of a ``PlatformBlock``.
    """

    SYSTEM: ClassVar[str]
    ABILITIES: ClassVar[DeskAbilities]

    @abstractmethod
    def client(self, services: Services) -> Desk:
        """A client of this desk. Raises BadInput for fields that no client can be made of; calls nobody."""


def logo(name: str) -> HttpUrl:
    """The address of a block's picture, served by the web app."""
    return HttpUrl(f"{Settings().public}/static/{name}.png")


def docs(page: str) -> HttpUrl:
    """The address of a page about a block, served by the web app."""
    return HttpUrl(f"{Settings().public}/docs/{page}")


def require_prefect() -> None:
    """Refuse where no server is named: Prefect would start an empty one of its own and look there."""
    if not get_current_settings().api.url:
        raise PrefectDown(
            "PREFECT_API_URL is not set.",
            "Start `caseproof up`, which brings a Prefect server. Or is there one elsewhere? Point it at that.",
        )


def password_of_our_server(*addresses: str) -> str | None:
    """What our own Prefect server asks for (``user:password``), where each of these addresses is one of its two.

    Scheme, host and port are compared as they are: another name of the same machine may be another server tomorrow.
    None for any other address, and where our server asks for none.
    """
    settings = get_current_settings()
    ours = {origin(settings.api.url or ""), origin(settings.ui_url or "")} - {None}
    if settings.api.auth_string is None or not {origin(one) for one in addresses} <= ours:
        return None
    return settings.api.auth_string.get_secret_value() or None


def load_block(name: str, kinds: Sequence[type[B]], what: str) -> B:
    """The saved block of this name, of whichever kind. Raises NoSuchBlock, StaleBlock, PrefectDown."""
    require_prefect()
    for kind in kinds:
        block = _load(name, kind, what)
        if block is not None:
            return block
    slugs = " or ".join(kind.get_block_type_slug() for kind in kinds)
    raise NoSuchBlock(
        f"There is no {what} called '{name}'. {what_is_alike(name, saved_names(kinds, f'the {what}s'))}",
        f"`caseproof setup FILE.yaml`, or save a block of the type {slugs} under this name (Prefect UI, Blocks).",
    )


def saved_names(kinds: Sequence[type[Block]], what: str) -> list[str]:
    """The names of all saved blocks of these kinds, in their order. Raises PrefectDown, which speaks of ``what``."""
    require_prefect()
    try:
        with get_client(sync_client=True) as client:
            return sorted(name for kind in kinds for name in _names_of(client, kind.get_block_type_slug()))
    except Exception as error:  # Prefect's client raises what its HTTP library raises
        raise PrefectDown(
            f"{what[0].upper()}{what[1:]} cannot be read from Prefect: {type(error).__name__}.",
            "Check PREFECT_API_URL and that the Prefect server is running.",
        ) from error


def _names_of(client: SyncPrefectClient, slug: str) -> list[str]:
    try:
        client.read_block_type_by_slug(slug)
    except ObjectNotFound:
        return []  # nobody ever saved a block of this type here
    names: list[str] = []
    while True:
        page = client.read_block_documents_by_type(slug, offset=len(names), limit=_PAGE, include_secrets=False)
        names += [document.name for document in page if document.name]
        if len(page) < _PAGE:
            return names


def _load(name: str, kind: type[B], what: str) -> B | None:
    # Not by `Block.load`: that tells Prefect's events of each load, over a connection which may outlast a command.
    try:
        with get_client(sync_client=True) as client:
            saved = client.read_block_document_by_name(name, kind.get_block_type_slug(), include_secrets=True)
        block = kind.model_validate(saved.data)
        block._block_document_name = name  # what its errors call the system
    except ObjectNotFound:
        return None
    except ValidationError as why:
        # Neither shown nor chained: what is saved may hold a secret.
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in why.errors(include_input=False)]
        raise _stale(name, what, wrong) from None
    except Exception as error:  # Prefect's client raises what its HTTP library raises
        raise PrefectDown(
            f"The {what} '{name}' cannot be read from Prefect: {type(error).__name__}.",
            "Check PREFECT_API_URL and that the Prefect server is running.",
        ) from error
    # A field that was renamed stands here under its old name, and its value would be lost without a word.
    unknown = sorted(block.model_extra or {})
    if unknown:
        raise _stale(name, what, [f"{field}: there is no such field any more" for field in unknown])
    return block


def _stale(name: str, what: str, wrong: Sequence[str]) -> StaleBlock:
    return StaleBlock(
        f"The {what} '{name}' was saved by another version, or not completely: {'; '.join(wrong)}.",
        # Prefect's edit page keeps showing the form that the block was saved with, so saving there mends nothing.
        "Save it anew with `caseproof setup FILE.yaml`; or in the Prefect UI (Blocks) delete it and create it again "
        "under the same name.",
    )
