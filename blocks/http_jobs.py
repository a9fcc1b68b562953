"""Any HTTP job service as a Prefect block: its declaration in YAML, and how we get in."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from blocks.base import Address, AddressOrNone, PlatformBlock, docs, logo
from caseproof.domain.errors import BadInput
from caseproof.platforms.abilities import PlatformAbilities
from caseproof.platforms.http_jobs import HttpJobsClient
from caseproof.platforms.http_jobs_abilities import ABILITIES
from caseproof.platforms.http_jobs_access import Access
from caseproof.platforms.http_jobs_declared import read_service


def _checked(text: str) -> str:
    try:
        read_service(text)
    except BadInput as wrong:
        raise ValueError(f"{wrong.problem} {wrong.next_action}") from None
    return text


class HttpJobs(PlatformBlock):
    """Any HTTP job service as a platform, by a declaration in YAML. The block's name is the platform's name.

    Example:
        Load a saved platform and read a job:
        ```python
        from blocks.http_jobs import HttpJobs

        platform = HttpJobs.load("BLOCK_NAME")
        print(platform.client().job("orders/garden-shop"))
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold a secret

    _block_type_name = "Caseproof HTTP Jobs"
    _block_type_slug = "caseproof-http-jobs"
    _documentation_url = docs("platform-http")
    _logo_url = logo("platform")

    SYSTEM: ClassVar[str] = "HTTP job service"
    ABILITIES: ClassVar[PlatformAbilities] = ABILITIES

    base_url: Address = Field(
        title="Base address",
        description="What comes before every path of the declaration.",
        examples=["https://jobs.example.com/api"],
    )
    declaration: Annotated[str, AfterValidator(_checked)] = Field(
        title="Declaration",
        description="The service in YAML: its calls, where its answers hold what, its states (docs/platform-http.md).",
    )
    site_url: AddressOrNone = Field(
        default="",
        title="Address of its pages",
        description="Where people open it (`{site}` in the declaration); empty for the base address. The screenshot of "
        "a successful run is taken there.",
        examples=["https://jobs.example.com"],
    )
    # Empty and not None: Prefect's UI shows a field that may be None as a choice of types.
    user: str = Field(
        default="", title="User", description="The user (basic), or the client's id (client credentials); else empty."
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        title="Secret",
        description="The password, token, key or client secret that the declaration's `auth` sends; empty for none.",
    )
    page_login: SecretStr = Field(
        default=SecretStr(""),
        title="Page login",
        description="Headers that let a browser see its pages, a line each: `Cookie: session=...`; empty for none.",
    )
    ca: str = Field(
        default="",
        title="Certificate of its authority",
        description="In PEM, where its certificate is of an authority of its own, or self-signed; else empty.",
    )
    proxy: SecretStr = Field(
        default=SecretStr(""),
        title="Proxy",
        description="The address of a proxy that all calls go through, like `http://proxy.example.com:3128`; empty for "
        "this machine's usual way.",
    )

    def client(self) -> HttpJobsClient:
        """A client of this platform."""
        access = Access(
            self.base_url,
            self.site_url,
            self.user,
            self.secret.get_secret_value(),
            _headers(self.page_login.get_secret_value()),
            self.ca,
            self.proxy.get_secret_value(),
        )
        return HttpJobsClient(read_service(self.declaration), access)


def _headers(lines: str) -> dict[str, str]:
    """Raises BadInput, which repeats nothing of it."""
    found = {}
    for number, line in enumerate(lines.strip().splitlines(), 1):
        name, colon, value = line.partition(":")
        if not (colon and name.strip() and value.strip()):
            raise BadInput(f"Line {number} of the page login is no header.", "Write each like `Cookie: session=...`.")
        found[name.strip()] = value.strip()
    return found
