"""What a team decides once: one validated ``policy.yaml`` (docs/configuration.md lists every entry).

``load_policy`` raises PolicyError, which names the line of thought, not the library: where the file is, which entry is
wrong, what it may be.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from caseproof.config.given_files import read_plain
from caseproof.config.ladder import LadderPolicy
from caseproof.config.on_call import ContractEntry, OnCallPolicy, refuse_unknown_contracts
from caseproof.config.paging import PagingPolicy
from caseproof.config.policy_check import BUILT_IN, CheckPolicy, KeeperPolicy, Strict, refuse_cron, zone_of
from caseproof.config.settings import Settings
from caseproof.config.whole_file import put_whole
from caseproof.config.yaml_file import LARGEST, entries_of, entry, plain, read_text, told
from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import BY_LOGIN, CAUSES, Scope

__all__ = [
    "BUILT_IN", "InForce", "Policy", "PolicyError", "PolicyNow", "TeamInForce", "load_policy", "policy_file",
    "policy_in_force",
]  # fmt: skip


_LONGEST_ADDRESS = 1000  # with a name
_LATELY_SECONDS = 3.0
"""More than the coarsest clock of a disk."""


class PolicyError(BadInput):
    """The policy file cannot be used; the text names the file, the entries and what they may be."""


class MailPolicy(Strict):
    """How mail to retailers leaves."""

    account: str = Field("mail", description="The name of the saved 'Email Server Credentials' block.")
    sender: str = Field("Caseproof <cases@example.com>", description="The From of every notice.")
    reply_to: str = Field("cases@example.com", description="Where a retailer's answer goes.")
    timeout_seconds: float = Field(20, gt=0, le=300, description="How long the mail server may hang.")
    per_minute: float = Field(60, gt=0, le=100_000, description="How many mails may leave in a minute.")
    team: str = Field("", description="Where the team is told what waits for it; empty tells the board alone.")
    language: str = Field("en", description="The language of mail to contacts that have none of their own.")
    timezone: str = Field(
        "", description="The time zone of the times that retailers read, like Europe/Berlin; empty: times.timezone."
    )

    @field_validator("sender", "reply_to", "team")
    @classmethod
    def _is_an_address(cls, text: str, info: ValidationInfo) -> str:
        if info.field_name == "team" and not text:
            return text
        try:
            address = parseaddr(text)[1] if len(text) <= _LONGEST_ADDRESS else ""
        except RecursionError:  # hundreds of brackets, one in another
            address = ""
        if "@" not in address.strip("@"):
            raise ValueError("is no mail address; write it like cases@example.com or Name <cases@example.com>")
        return text

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        if name:
            zone_of(name)
        return name


class AnswersPolicy(Strict):
    """How retailers answer, and which answers a case goes on with by itself."""

    mailbox: str = Field(
        "", description="The name of the saved mailbox block that retailers' mail arrives in; empty reads no mail."
    )
    link_days: float = Field(60, ge=1, le=1000, description="How long the link to the confirmation page holds.")
    by_itself: tuple[Literal["page", "mail"], ...] = Field(
        ("page",),
        description="Where a clear 'I made the change' leads to the re-run without an operator: what is not named "
        "waits for the decision. Only with a review, in which a person looks before the case closes.",
    )


class ReviewPolicy(Strict):
    """The second approval before a case closes."""

    required: bool = Field(True, description="Whether a person approves the evidence before a case closes.")
    by: Literal["anybody", "another person"] = Field(
        "another person", description="Whether the reviewer must be somebody else than the one who decided."
    )
    identity: Literal["said", "login"] = Field(
        "said",
        description="How the reviewer is known: 'said' takes the name chosen in Prefect's form, too; 'login' takes "
        "reviews from the case's page alone, by somebody who is logged in.",
    )


class ClosingPolicy(Strict):
    """Which pictures of a run close a case, beside that of the platform's own page."""

    uploaded_pictures: bool = Field(
        True,
        description="Whether a picture that a person uploads counts where no page of the run can be photographed, once "
        "another person has confirmed it.",
    )
    rendered_pages: bool = Field(
        False,
        description="Whether the picture of a page that Caseproof rendered from what the platform told closes a case, "
        "where the platform has no page of a run.",
    )
    delete_removed_jobs: bool = Field(
        False,
        description="Whether a removal (J9) deletes the job once it stands still, where its platform can; otherwise it "
        "is stopped for good and left there.",
    )


class Targets(Strict):
    """How long things should take: the overview counts what took longer. Nothing else follows from it.

    By when a retailer is to answer says ``keeper.answer_within_days``.
    """

    contain_hours: float = Field(
        1, gt=0, le=10_000, description="From the opening of a case, or its reopening, to the stop."
    )
    notify_hours: float = Field(
        24, gt=0, le=10_000, description="From the opening of a case, or its reopening, to the notice."
    )
    close_days: float = Field(
        14, gt=0, le=1000, description="From the first opening of a case to the closing that held."
    )


class Times(Strict):
    """When the check, the report and the passes run; `caseproof up` deploys and makes them so."""

    timezone: str = Field("UTC", description="The time zone of the cron lines, like Europe/Berlin.")
    check: str = Field("30 6 * * *", description="The daily job check, as a cron line; empty: only by hand.")
    report: str = Field("0 7 * * mon", description="The weekly report, as a cron line; empty: only by hand.")
    keeper_minutes: float = Field(3, ge=1, le=60, description="How often the keeper looks after the cases.")
    inbox_minutes: float = Field(5, ge=1, le=60, description="How often the retailers' mailbox is read at least.")

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        zone_of(name)
        return name

    @field_validator("check", "report")
    @classmethod
    def _is_a_cron_line(cls, line: str) -> str:
        if line:
            refuse_cron(line)
        return line


class PrefectPolicy(Strict):
    """What is kept on Prefect's own pages."""

    keep_passes_days: float = Field(
        7,
        ge=0,
        le=3650,
        description="How long the finished flow runs of the keeper and the inbox stay; an empty one goes at once.",
    )


class DesksPolicy(Strict):
    """Which desk the tickets of a procedure are on, where that is not ``desk``; each is a saved desk block's name."""

    support: str = Field("", description="That of support cases and their emergencies; empty: `desk`.")
    development: str = Field("", description="That of the development team (E5); empty: that of support cases.")


class Policy(Strict):
    """The whole policy."""

    team: tuple[str, ...] = Field(min_length=1, description="Who may decide and approve, by role or name.")
    desk: str = Field("desk", description="The name of the saved desk block.")
    desks: DesksPolicy = DesksPolicy()
    mail: MailPolicy = MailPolicy()
    answers: AnswersPolicy = AnswersPolicy()
    review: ReviewPolicy = ReviewPolicy()
    closing: ClosingPolicy = ClosingPolicy()
    times: Times = Times()
    check: CheckPolicy = CheckPolicy()
    keeper: KeeperPolicy = KeeperPolicy()
    targets: Targets = Targets()
    prefect: PrefectPolicy = PrefectPolicy()
    on_call: OnCallPolicy = OnCallPolicy()
    ladder: LadderPolicy = LadderPolicy()
    paging: PagingPolicy = PagingPolicy()
    contracts: dict[str, ContractEntry] = Field(
        default_factory=dict, description="The contracts by their names: their kind, and the hours of support."
    )
    clients: dict[str, str] = Field(default_factory=dict, description="Which contract a client has, by its name.")
    stop_scope: dict[str, Scope] = Field(
        default_factory=dict, description="How far the stop reaches, by cause; 'job' where nothing is said."
    )
    run_patience_seconds: float = Field(
        120, gt=0, le=600, description="How long a re-run is polled in place before the case's run suspends."
    )

    @field_validator("team")
    @classmethod
    def _names_are_distinct(cls, team: tuple[str, ...]) -> tuple[str, ...]:
        tidy = [" ".join(name.split()) for name in team]
        if any(not name for name in tidy):
            raise ValueError("a name is empty")
        if len({name.casefold() for name in tidy}) < len(tidy):
            raise ValueError("a name stands there twice")
        return tuple(tidy)

    @model_validator(mode="after")
    def _somebody_can_review(self) -> Policy:
        if self.review.required and self.review.by == "another person" and len(self.team) < 2:
            raise ValueError("review.by is 'another person', but the team has one member: add one, or say 'anybody'")
        return self

    @model_validator(mode="after")
    def _clients_have_contracts(self) -> Policy:
        refuse_unknown_contracts(self.clients, self.contracts)
        return self

    @model_validator(mode="after")
    def _leads_can_be_told(self) -> Policy:
        self.ladder.refuse_strangers(self.on_call)
        return self

    @field_validator("stop_scope")
    @classmethod
    def _causes_are_known(cls, scopes: dict[str, Scope]) -> dict[str, Scope]:
        unknown = sorted(set(scopes) - set(CAUSES))
        if unknown:
            raise ValueError(f"unknown cause {', '.join(unknown)}; the causes are {', '.join(CAUSES)}")
        return scopes

    def desk_of(self, prefix: str) -> str:
        """The desk of the cases whose references begin so."""
        return self.desks.support or self.desk if prefix == "SC" else self.desk

    @property
    def development_desk(self) -> str:
        """The desk of the development team."""
        return self.desks.development or self.desk_of("SC")

    @property
    def target_of(self) -> dict[str, timedelta]:
        """How long each of ``domain.durations.MEASURES`` should take."""
        targets = self.targets
        return {
            "contain": timedelta(hours=targets.contain_hours),
            "notify": timedelta(hours=targets.notify_hours),
            "confirm": timedelta(days=self.keeper.answer_within_days),
            "close": timedelta(days=targets.close_days),
        }

    @property
    def letters_zone(self) -> ZoneInfo:
        """Whose time retailers read."""
        return zone_of(self.mail.timezone or self.times.timezone)

    def scope_for(self, cause: str) -> Scope:
        """How far the stop of a case with this cause reaches."""
        return self.stop_scope.get(cause, Scope.JOB)

    @property
    def review_mode(self) -> str:
        """What a decision writes down about its review: "", "anybody" or "another person"."""
        return self.review.by if self.review.required else ""

    @property
    def review_terms(self) -> dict[str, str]:
        """All that a decision writes down about its review, by the names of its event."""
        by_login = self.review.required and self.review.identity == BY_LOGIN
        return {"review": self.review_mode, **({"review_identity": BY_LOGIN} if by_login else {})}


def policy_file(settings: Settings) -> Path:
    """The file in force: the one that is set, else policy.yaml in the home folder, else the built-in default."""
    if settings.policy is not None:
        return settings.policy.expanduser()
    own = settings.home_folder / "policy.yaml"
    return own if own.exists() else BUILT_IN


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy that counts, and what is wrong with the file that should count instead (None: nothing)."""

    policy: Policy
    wrong: PolicyError | None = None


def policy_in_force(settings: Settings) -> InForce:
    """The policy of the file; where that cannot be used, the last one that could, so that no case waits for a typing
    error. Raises PolicyError where there never was a usable one.
    """
    path = policy_file(settings)
    last = settings.home_folder / "policy-in-force.yaml"
    try:
        policy = load_policy(path)
    except PolicyError as wrong:
        if not last.exists():
            raise
        return InForce(
            load_policy(last),
            PolicyError(
                wrong.problem, f"{wrong.next_action} Until then the policy from before stays in force ({last})."
            ),
        )
    _remember(path, last)
    return InForce(policy)


class PolicyNow:
    """The policy as it is at each call. The file is read anew where it may be another one than before."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: tuple[object, Policy] | None = None

    def __call__(self) -> Policy:
        """The policy. Raises PolicyError where there never was a usable one."""
        path = policy_file(self._settings)
        looked = self._look(path)
        if self._known is not None and looked is not None and self._known[0] == looked:
            return self._known[1]
        policy = policy_in_force(self._settings).policy
        self._known = (looked, policy)
        return policy

    @staticmethod
    def _look(path: Path) -> object:
        """What tells a file from the one before; None where it was written so lately that its time may not."""
        try:
            found = path.stat()
        except OSError:
            return None
        if time.time() - max(found.st_mtime, found.st_ctime) < _LATELY_SECONDS:
            return None
        return path, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


class TeamInForce:
    """The policy's team as it is at each call."""

    def __init__(self, settings: Settings) -> None:
        self._policy = PolicyNow(settings)

    def __call__(self) -> tuple[str, ...]:
        """The names. Raises PolicyError where there never was a usable policy."""
        return self._policy().team


def _remember(path: Path, last: Path) -> None:
    text = read_plain(path, LARGEST)
    if last.exists() and last.read_bytes() == text:
        return
    put_whole(last, text)


def load_policy(path: Path) -> Policy:
    """Read and check a policy file. Raises PolicyError."""
    text = read_text(path, "policy", PolicyError, unreadable="Check CASEPROOF_POLICY and the file's permissions.")
    return _checked(text, path)


@lru_cache(maxsize=4)  # to check it takes a tenth of a second, and it is read often
def _checked(text: str, path: Path) -> Policy:
    raw = entries_of(text, path, "policy", PolicyError, empty=f"Start from the default, {BUILT_IN.name}.")
    try:
        return Policy.model_validate(raw)
    except ValidationError as error:
        wrong = told([entry(e["loc"], raw) + plain(e["type"], e["msg"]) for e in error.errors()])
        raise PolicyError(f"The policy {path} is not valid: {wrong}.", "Correct these entries.") from error
