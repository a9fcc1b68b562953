"""A set-up file as it is read: platforms, accounts, desk, channels and retailers in one YAML file (docs/setup.md).

No secret stands in it: wherever a value stands, ``{from_env: NAME}`` may stand instead, and secrets must be given that
way. ``read_setup`` raises SetupError, which names the file and each wrong entry, and never repeats a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from caseproof.config.contacts_file import ContactLine, contact_lines, read_contacts
from caseproof.config.yaml_file import entry, plain, read_yaml, told
from caseproof.domain.errors import BadInput

FROM_ENV = "from_env"
NO_SECRETS = "a secret does not stand in the file: put it into an environment variable and write {from_env: NAME}"


class SetupError(BadInput):
    """The set-up file cannot be used; the text names the file, the entries and what they may be."""


class FromEnv(str):
    """A text that came from an environment variable: the only kind that may be a secret."""

    __slots__ = ()


def only_from_env(value: object) -> object:
    """A secret as it was given, if it may be one. Raises ValueError for one that stands in the file itself."""
    if isinstance(value, FromEnv) or value == "":
        return value
    raise ValueError(NO_SECRETS)


def no_password_inside(value: object) -> object:
    """The value, unless it is an address with a password in it that stands in the file. Raises ValueError."""
    if isinstance(value, str) and not isinstance(value, FromEnv):
        try:
            held = urlsplit(value).password
        except ValueError:
            held = None  # no address at all
        if held is not None:
            raise ValueError(f"the address holds a password, and {NO_SECRETS}")
    return value


Name = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", description="Lower-case letters, digits, dashes.")
]
Secret = Annotated[SecretStr, BeforeValidator(only_from_env)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class BlockEntry(_Strict):
    """A platform, the desk or a channel: its name, type, and the fields of its block, which the block checks."""

    model_config = ConfigDict(extra="allow")

    name: Name
    type: str

    @property
    def fields(self) -> Mapping[str, Any]:
        """The block's fields as they stand in the file."""
        return self.model_extra or {}


class MailEntry(_Strict):
    """The mail account."""

    name: Name = "mail"
    host: str = Field(min_length=1, description="The SMTP server.")
    port: int | None = Field(None, gt=0, lt=65536, description="Default: the usual one, 465, 587 or 25.")
    security: Literal["ssl", "starttls", "plain"] = "starttls"
    username: str | None = Field(None, min_length=1)
    password: Secret = SecretStr("")
    verify: bool = Field(True, description="Whether the server's certificate is checked.")

    @model_validator(mode="after")
    def _logs_in_whole_or_not_at_all(self) -> Self:
        if (self.username is None) != (not self.password.get_secret_value()):
            raise ValueError("a username and a password go together: give both, or neither")
        return self


class InboxEntry(_Strict):
    """The mailbox that retailers answer to."""

    name: Name = "inbox"
    host: str = Field(min_length=1, description="The IMAP server.")
    port: int | None = Field(None, gt=0, lt=65536, description="Default: the usual one, 993 or 143.")
    security: Literal["ssl", "starttls", "plain"] = "ssl"
    username: str = Field(min_length=1)
    password: Secret
    folder: str = Field("INBOX", min_length=1, description="Where mail arrives.")
    done_folder: str = Field("Caseproof", min_length=1, description="Where a message goes once it is taken in.")
    authserv: str = Field("", description="The name of our mail server in Authentication-Results.")
    verify: bool = Field(True, description="Whether the server's certificate is checked.")


class ContactEntry(_Strict):
    """A mail address that gets a retailer's notices, and whose written word counts (J8)."""

    address: str
    name: str = ""
    language: str = ""
    role: str = ""


class RetailerEntry(_Strict):
    """A retailer with its contacts."""

    name: str = Field(min_length=1)
    contacts: tuple[ContactEntry, ...] = Field(min_length=1)


class SetupFile(_Strict):
    """The whole file. Every part may be left out; nothing that is left out is changed or deleted."""

    platforms: tuple[BlockEntry, ...] = ()
    desk: BlockEntry | None = None
    mail: MailEntry | None = None
    inbox: InboxEntry | None = None
    voices: tuple[BlockEntry, ...] = Field((), max_length=2, description="The second calls where the first fails.")
    teams: BlockEntry | None = None
    connect: BlockEntry | None = None
    retailers: tuple[RetailerEntry, ...] = ()
    contacts: str | None = Field(None, min_length=1, description="A CSV file of contacts, beside this one.")

    @model_validator(mode="after")
    def _no_name_twice(self) -> Self:
        for part, entries in (("platforms", self.platforms), ("voices", self.voices)):
            names = [entry.name for entry in entries]
            if len(set(names)) < len(names):
                raise ValueError(f"{part}: a name stands there twice")
        return self

    def contact_lines(self, folder: Path) -> list[ContactLine]:
        """All contacts, those of the CSV file too; ``folder`` is where this file lies. Raises SpreadsheetError."""
        lines = read_contacts(folder / self.contacts) if self.contacts else []
        own = [
            line
            for retailer in self.retailers
            for place, contact in enumerate(retailer.contacts)
            for line in contact_lines(
                f"retailers.{retailer.name}.contacts.{place}", retailer.name, **contact.model_dump()
            )
        ]
        return own + lines


def read_setup(path: Path, environment: Mapping[str, str]) -> SetupFile:
    """Read and check a set-up file, with the values that it takes from the environment. Raises SetupError."""
    raw = read_yaml(path, "set-up", SetupError, unreadable="Check the path.", empty="docs/setup.md shows an example.")
    missing: dict[str, None] = {}
    values = _resolved(raw, environment, missing)
    if missing:
        raise SetupError(
            f"The set-up {path} takes values from the environment that are not set, or empty: {', '.join(missing)}.",
            "Set these variables where the command runs.",
        )
    try:
        return SetupFile.model_validate(values)
    except ValidationError as error:
        raise refusal(
            path, [f"{entry(e['loc'], values)}{plain(e['type'], e['msg'])}" for e in error.errors()]
        ) from None


def refusal(path: Path, wrong: list[str]) -> SetupError:
    """The error that names these wrong entries of a file."""
    return SetupError(f"The set-up {path} is not valid: {told(wrong)}.", "Correct these entries.")


def _resolved(raw: Any, environment: Mapping[str, str], missing: dict[str, None]) -> Any:
    """The same values with each ``{from_env: NAME}`` replaced; the names that are not set go to ``missing``."""
    if isinstance(raw, dict):
        name = raw.get(FROM_ENV)
        if set(raw) == {FROM_ENV} and isinstance(name, str):
            if not environment.get(name):
                missing[name] = None
            return FromEnv(environment.get(name, ""))
        return {key: _resolved(value, environment, missing) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_resolved(value, environment, missing) for value in raw]
    return raw
