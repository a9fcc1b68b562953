"""Where this installation keeps its state and listens: environment variables ``CASEPROOF_*``, nothing else."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, HttpUrl, IPvAnyNetwork, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from caseproof.config.cluster import Cluster
from caseproof.domain.errors import BadInput


class Settings(BaseSettings):
    """All settings; what a team decides once is in policy.yaml instead (``caseproof.config.policy``)."""

    model_config = SettingsConfigDict(env_prefix="CASEPROOF_", extra="ignore")

    home: Path = Field(
        default=Path("~/.caseproof"),
        description="The folder that holds all local state: store, evidence, proofs.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="The store as a URL, like postgresql://user:password@host/database. Default: the embedded "
        "PostgreSQL if `caseproof up --postgres` made one, else an SQLite file under the home folder.",
    )
    policy: Path | None = Field(
        default=None,
        description="The policy file. Default: policy.yaml under the home folder, else the built-in one.",
    )
    web_url: HttpUrl = Field(
        default=HttpUrl("http://127.0.0.1:8321"),
        description="Where the web app listens; loopback by default.",
    )
    public_url: HttpUrl | None = Field(
        default=None,
        description="What links in mail and artifacts start with. Default: the web app's own address.",
    )
    answer_url: HttpUrl | None = Field(
        default=None,
        description="What the links to the confirmation page start with, in mail to retailers. Under its host name "
        "nothing else is shown. Default: CASEPROOF_PUBLIC_URL; with neither, mail to retailers has no such link.",
    )
    oidc_issuer: HttpUrl | None = Field(
        default=None,
        description="The OpenID Connect provider that people of the team log in with: its issuer. Default: passwords.",
    )
    oidc_client_id: str = Field(default="", description="What the provider knows Caseproof as.")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="The provider's secret for it; empty for a public client."
    )
    proxy_login_header: str = Field(
        default="",
        description="The header in which a proxy names who it logged in, by name or mail address, like "
        "X-Forwarded-User; it counts from CASEPROOF_PROXY_ADDRESSES alone.",
    )
    proxy_addresses: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        default=(),
        description="The addresses or networks of that proxy, with commas between them. Let it take the header out of "
        "what comes from outside.",
    )
    prefect_url: HttpUrl = Field(
        default=HttpUrl("http://127.0.0.1:4200"),
        description="Where the Prefect server of `caseproof up` listens; loopback by default. Not used with a server "
        "of your own, which PREFECT_API_URL names.",
    )
    retry_delays: tuple[float, ...] = Field(
        default=(2, 5, 10, 20, 40),
        description="Seconds a task waits before each new try while a system is down (a JSON list); jitter is added.",
    )
    browser: Path | None = Field(
        default=None,
        description="The Chromium to take screenshots with. Default: the first one that is found.",
    )

    @field_validator("proxy_addresses", mode="before")
    @classmethod
    def _with_commas(cls, given: Any) -> Any:
        return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given

    @cached_property
    def home_folder(self) -> Path:
        """The home folder, made if it is not there."""
        folder = self.home.expanduser().resolve()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # retailers' words and addresses are nobody else's
        except OSError as error:
            raise BadInput(
                f"CASEPROOF_HOME, {folder}, cannot be made: {error.strerror}.", "Name a folder that you may write to."
            ) from error
        return folder

    @property
    def database(self) -> str:
        """The store's SQLAlchemy URL; it may hold a password, so it is never logged."""
        if self.database_url is not None:
            # A file without a folder before it lies where we work now, also for programs that work elsewhere.
            relative = re.compile(r"^(sqlite(?:\+pysqlite)?:///)(?!/|:memory:|\?|$)")
            return relative.sub(rf"\g<1>{Path.cwd()}/", self.database_url.get_secret_value())
        if self.postgres.exists:
            return self.postgres.url("caseproof")
        return f"sqlite:///{self.home_folder / 'caseproof.sqlite'}"

    @cached_property
    def installation(self) -> str:
        """What tells this home from every other one: made once, at random."""
        path = self.home_folder / "installation"
        with suppress(FileExistsError), path.open("x") as file:
            file.write(uuid.uuid4().hex)
        return path.read_text().strip()

    @property
    def absolute(self) -> dict[str, str]:
        """The variables that name a file or a folder, for programs that work in another folder than we do."""
        named = {"CASEPROOF_HOME": self.home_folder, "CASEPROOF_POLICY": self.policy, "CASEPROOF_BROWSER": self.browser}
        paths = {name: str(path.expanduser().absolute()) for name, path in named.items() if path is not None}
        return paths | ({"CASEPROOF_DATABASE_URL": self.database} if self.database_url is not None else {})

    @property
    def postgres(self) -> Cluster:
        """The PostgreSQL of `caseproof up --postgres`; from the day it was made, it is this home's store."""
        return Cluster(self.home_folder / "postgres")

    @property
    def up_lock(self) -> Path:
        """The lock that this home's `caseproof up` holds for as long as it runs."""
        return self.home_folder / "up" / "lock"

    @property
    def web_listens(self) -> tuple[str, int]:
        """The host and port that the web app listens on. Raises BadInput for an https address."""
        return _listens("CASEPROOF_WEB_URL", self.web_url, "CASEPROOF_PUBLIC_URL")

    @property
    def is_for_this_machine(self) -> bool:
        """Whether nothing of the web app is reached from elsewhere, by what is set: then reading needs no login."""
        named = (self.web_url, self.public_url, self.answer_url)
        return all(is_loopback(str(url)) for url in named if url is not None)

    @property
    def proxy_names_people(self) -> bool:
        """Whether a proxy's word on who somebody is counts: its header is named, and where it comes from."""
        return bool(self.proxy_login_header.strip() and self.proxy_addresses)

    @property
    def prefect_listens(self) -> tuple[str, int]:
        """The host and port that the Prefect server of `caseproof up` listens on. Raises BadInput for https."""
        return _listens("CASEPROOF_PREFECT_URL", self.prefect_url, "PREFECT_UI_URL")

    @property
    def public(self) -> str:
        """What links start with, without a slash at the end."""
        return str(self.public_url or self.web_url).rstrip("/")

    @property
    def answers(self) -> str | None:
        """What links to the confirmation page start with; None where retailers have no page to open."""
        url = self.answer_url or self.public_url
        return str(url).rstrip("/") if url else None


def is_loopback(address: str) -> bool:
    """Whether a URL leads to this machine alone, by what it says."""
    return is_loopback_host(urlsplit(address).hostname or "")


def is_loopback_host(host: str) -> bool:
    """Whether only programs of this machine reach what listens at this host, by its name or address."""
    name = host.strip("[]").lower().rstrip(".")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _listens(name: str, url: HttpUrl, public: str) -> tuple[str, int]:
    if url.scheme != "http":
        raise BadInput(
            f"{name} is {url}, but the server there speaks plain HTTP.",
            f"Give an http address there, put a TLS proxy before it, and its address in {public}.",
        )
    return (url.host or "127.0.0.1").strip("[]"), url.port or 80


def read_settings() -> Settings:
    """The settings of this process's environment. Raises BadInput, which names each variable that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"CASEPROOF_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
    except SettingsError as error:
        wrong = str(error)
    raise BadInput(f"The environment cannot be used: {wrong}.", "Correct it; docs/configuration.md lists them.")
