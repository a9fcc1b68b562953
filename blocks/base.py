"""What all blocks share: where their pictures and docs are, and loading one by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from prefect.blocks.core import Block
from prefect.settings import get_current_settings
from pydantic import HttpUrl

from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.settings import Settings

B = TypeVar("B", bound=Block)


class PrefectDown(CaseproofError):
    """Our own Prefect server does not answer."""


def logo(name: str) -> HttpUrl:
    """The address of a block's picture, served by the web app."""
    return HttpUrl(f"{Settings().public}/static/{name}.png")


def docs(page: str) -> HttpUrl:
    """The address of a page about a block, served by the web app."""
    return HttpUrl(f"{Settings().public}/docs/{page}")


def require_prefect() -> None:
    """Refuse where no server is named: Prefect would start an empty one of its own and look there."""
    if not get_current_settings().api.url:
        raise PrefectDown("PREFECT_API_URL is not set.", "Point it at the Prefect server that runs the cases.")


def load_block(name: str, kinds: Sequence[type[B]], what: str) -> B:
    """The saved block of this name, of whichever kind. Raises BadInput where there is none, PrefectDown."""
    require_prefect()
    for kind in kinds:
        try:
            return kind.load(name, _sync=True)  # type: ignore[no-any-return]
        except ValueError:
            continue
        except Exception as error:
            raise PrefectDown(
                f"The {what} '{name}' cannot be read from Prefect: {type(error).__name__}.",
                "Check PREFECT_API_URL and that the Prefect server is running.",
            ) from error
    slugs = " or ".join(kind.get_block_type_slug() for kind in kinds)
    raise BadInput(
        f"There is no {what} called '{name}'.",
        f"Save a block of the type {slugs} under this name (Prefect UI, Blocks), or correct the name.",
    )
