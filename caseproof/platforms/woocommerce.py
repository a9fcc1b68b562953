"""A WooCommerce site as a job platform: its webhooks, and the API keys that the block names, are its jobs.

A webhook's id is ``webhook/12``, an API key's ``key/NAME``. A site is one retailer's, so each of its jobs is. Three
things here are not what they seem:

- WooCommerce disables a webhook itself after more than five failed deliveries, without a word. That is told as a
  failed run of its own: nobody of us made it, for our own stop sets the status `paused`. One that the shop's people
  disabled looks the same, and the message says so. Where the block says that a stop disables, nothing is told of any.
- Its API does not tell deliveries: the run is what the receiver's record tells (``woocommerce_record``), where the
  block names one. Else nothing can be verified, and ``abilities`` says so.
- Its API cannot list or revoke API keys, and what its queue (Action Scheduler) holds has no route either.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from caseproof.domain.errors import BadInput
from caseproof.domain.spelling import what_is_alike
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.abilities import Ability, PlatformAbilities
from caseproof.platforms.base import (
    Job,
    Listed,
    PlatformCannot,
    PlatformDown,
    Probe,
    Run,
    RunPage,
    RunState,
    Standing,
    Survey,
    UnknownJob,
    UnknownRun,
    aware,
    require,
)
from caseproof.platforms.woocommerce_abilities import (
    ABILITIES,
    KEYS_PAGE,
    NO_PAGE,
    NO_RECORD,
    NO_RERUN,
    RECORD_HAS_PAGE,
    SHOW,
    WITHOUT_RECORD,
)
from caseproof.platforms.woocommerce_record import ReceiversRecord
from caseproof.platforms.woocommerce_site import ACTIVE, DISABLED, Webhook, WooSite

DISABLED_ITSELF = (
    "WooCommerce disabled this webhook after more than five failed deliveries, or somebody disabled it there."
)
"""The message of the failed run that a self-disabled webhook is; the built-in policy knows it by its beginning."""

_WEBHOOK = re.compile(r"webhook/([1-9]\d{0,18})")
_ITSELF = re.compile(r"(webhook/[1-9]\d{0,18})/disabled/(.+)")


StopBy = Literal["paused", "disabled"]


@dataclass(frozen=True, slots=True)
class SiteSetUp:
    """Whose the site is, and what of it is ours.

    ``stop_by``: the status that a stop sets. ``delivers_to``: only webhooks that deliver below this address are jobs;
    empty: all are. ``api_keys``: the names of the keys that connect the site, which nobody can list.
    """

    retailer: str
    marketplace: str = ""
    connection: str = ""
    stop_by: StopBy = "paused"
    delivers_to: str = ""
    api_keys: Sequence[str] = ()


class WooCommerceClient:
    """A ``JobPlatform`` over one WooCommerce site. Safe to use from several threads.

    Methods raise what ``platforms/base.py`` says.
    """

    def __init__(self, site: WooSite, set_up: SiteSetUp, record: ReceiversRecord | None = None) -> None:
        self._site, self._set_up, self._record = site, set_up, record
        self._keys = {f"key/{name}": name for name in set_up.api_keys}
        if record is None:
            lacks = dict(WITHOUT_RECORD)
        else:
            lacks = {} if record.declared.rerun else dict(NO_RERUN)
            lacks |= RECORD_HAS_PAGE if record.declared.page else NO_PAGE
        self._abilities = ABILITIES.lacking(lacks)

    @property
    def abilities(self) -> PlatformAbilities:
        return self._abilities

    def close(self) -> None:
        """Close the connections."""
        self._site.close()
        if self._record:
            self._record.close()

    def probe(self) -> Probe:
        webhooks, clock = self._site.webhooks()
        ours = [one for one in webhooks if self._is_ours(one)]
        off = sum(one.status == DISABLED for one in ours)
        found = f"{self._site.address} has {len(ours)} webhooks of ours, {off} of them disabled"
        lacks = []
        if not self._site.may_write():
            lacks.append(
                "The key may read webhooks and not stop them. The shop's administrator gives it the permission "
                f"Read/Write at {KEYS_PAGE}."
            )
        if self._record is None:
            lacks.append(f"No delivery can be read back: {NO_RECORD} {SHOW}")
            if self._set_up.stop_by == DISABLED:
                lacks.append(
                    "No failing webhook can be found: what WooCommerce disabled looks like what a stop disabled. Let "
                    "a stop pause, in the site's block, or name the receiver's record there."
                )
        else:
            for _ in self._record.since(clock or datetime.now(UTC)):
                break  # it answers, and as it is declared
            found = f"{found}; the receiver's record at {self._record.address} answers"
        return Probe(found, clock, tuple(lacks))

    def probe_pages(self) -> str:
        require(self, Ability.PAGE)
        return f"the pages of the receiver's record at {self._receiver.address} are looked at with the first picture"

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        if job_id in self._keys:
            return self._key_job(job_id)
        return self._job(self._webhook(job_id))

    def jobs_in(self, scope: Scope, job: Job) -> list[Job]:
        if scope is Scope.JOB:
            return [self.job(job.id)]
        what = "marketplace" if scope is Scope.MARKETPLACE else "connection"
        if not (job.retailer and getattr(job, what)):
            raise BadInput(
                f"The job {job.id} does not say its {what if job.retailer else 'retailer'}, so it is unknown what else "
                "to stop with it.",
                "Fill it in, in the site's block, or stop this job alone.",
            )
        return [self.job(job.id), *(one.job for one in self._listed()[0] if one.job.id != job.id)]

    def survey(self, since: datetime, jobs: Collection[str] | None = None) -> Survey:
        since = aware(since)
        webhooks, clock = self._site.webhooks()
        listed = [one for one in self._as_listed(webhooks) if jobs is None or one.job.id in jobs]
        names = {one.job.id for one in listed}
        disabled = [run for run in map(self._disabled_itself, webhooks) if run and run.job in names]
        return Survey(clock, listed, self._surveyed(since, disabled, names, one=jobs is not None and len(names) == 1))

    def standing(self, job_id: str) -> Standing:
        """Whether the webhook is active. Of an API key nothing can be read, so it counts as one that works."""
        if job_id in self._keys:
            return Standing(job_id, active=True, waiting=0, running=0)
        return Standing(job_id, self._webhook(job_id).status == ACTIVE, waiting=0, running=0)

    def stop(self, job_id: str) -> None:
        """Set the status that the block says, also where WooCommerce disabled the webhook: it is told no more then."""
        self._set(job_id, self._set_up.stop_by)

    def go_live(self, job_id: str) -> None:
        if job_id not in self._keys:  # a key that is not revoked is live
            self._set(job_id, ACTIVE)

    def remove(self, job_id: str) -> None:
        """Delete the webhook for good."""
        self._refuse_key(job_id)
        number = _number_of(job_id)
        if number is None:
            raise self._unknown(job_id)
        if self._site.webhook(number) is None:
            return  # it is gone already
        self._webhook(job_id)  # another's is not ours to delete
        self._site.delete(number)

    # -- runs ---------------------------------------------------------------------------------------------------------

    def start_run(self, job_id: str, key: str, parameters: Mapping[str, str] | None = None) -> Run:
        require(self, Ability.RUN, job_id)
        if parameters:
            require(self, Ability.PARAMETERS, job_id)
        record, name = self._receiver, self._in_record(self.job(job_id))
        if (found := record.by_key(name, key)) is None:
            record.rerun(name, key)
            found = record.by_key(name, key)
        if found is None:
            raise PlatformDown(
                f"The receiver at {record.address} took the re-run of {job_id}, and its record does not have it.",
                "Try again later: what is there by its key is not started twice.",
            )
        return self._ours(found)

    def run_by_key(self, job_id: str, key: str) -> Run | None:
        require(self, Ability.KEYED_RUN, job_id)
        found = self._receiver.by_key(self._in_record(self.job(job_id)), key)
        return self._ours(found) if found else None

    def run(self, run_id: str) -> Run:
        if itself := _ITSELF.fullmatch(run_id):
            number = _number_of(itself[1])
            webhook = self._site.webhook(number) if number else None
            found = self._disabled_itself(webhook) if webhook else None
            if found is not None and found.id == run_id:
                return found
            raise UnknownRun(f"{itself[1]} is not as it was when it was disabled.", "Read its runs again.")
        require(self, Ability.VERIFY, run_id)
        told = self._receiver.run(run_id)
        if told is None:
            raise UnknownRun(
                f"The receiver's record at {self._receiver.address} has no delivery {run_id}.",
                "It may have been cleared away; let the data be delivered once more.",
            )
        return self._ours(told)

    def runs_since(self, job_id: str, since: datetime) -> list[Run]:
        found = [run for page in self.survey(since, (job_id,)).pages for run in page]
        if not found:
            self.job(job_id)  # a job that is gone is no quiet one
        return sorted(found, key=lambda run: (run.started_at or since, run.id))

    def page(self, run: Run) -> RunPage:
        require(self, Ability.PAGE, run.id)
        return self._receiver.page(run, run.job.partition("/")[2])

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def _receiver(self) -> ReceiversRecord:
        if self._record is None:  # whoever asks had to `require` first
            raise ValueError("there is no record")
        return self._record

    def _webhook(self, job_id: str) -> Webhook:
        number = _number_of(job_id)
        found = self._site.webhook(number) if number else None
        if found is None or not self._is_ours(found):
            raise self._unknown(job_id)
        return found

    def _set(self, job_id: str, status: str) -> None:
        self._refuse_key(job_id)
        if self._webhook(job_id).status != status and not self._site.set_status(int(job_id[8:]), status):
            raise self._unknown(job_id)

    def _refuse_key(self, job_id: str) -> None:
        if job_id in self._keys:
            raise PlatformCannot(
                f"{job_id}: WooCommerce has no REST route that revokes an API key.",
                f"The shop's administrator revokes it at {KEYS_PAGE}; then take its name out of the site's block.",
            )

    def _unknown(self, job_id: str) -> UnknownJob:
        names = [one.job.id for one in self._listed()[0]]
        return UnknownJob(
            f"There is no job {job_id!r} on {self._site.address}. {what_is_alike(job_id, names)}",
            "Name a webhook as `webhook/12`, with the id that WooCommerce > Settings > Advanced > Webhooks has in its "
            "address, and an API key as `key/NAME`, as the site's block names it.",
        )

    def _listed(self) -> tuple[list[Listed], datetime | None]:
        webhooks, clock = self._site.webhooks()
        return self._as_listed(webhooks), clock

    def _as_listed(self, webhooks: Sequence[Webhook]) -> list[Listed]:
        found = [Listed(self._job(one), one.status == ACTIVE) for one in webhooks if self._is_ours(one)]
        return [*found, *(Listed(self._key_job(job_id), active=True) for job_id in self._keys)]

    def _surveyed(self, since: datetime, disabled: list[Run], names: set[str], *, one: bool) -> Iterator[list[Run]]:
        yield [run for run in disabled if run.started_at and run.started_at > since]
        if self._record and names:
            of_job = next(iter(names)).partition("/")[2] if one else None
            for page in self._record.since(since, of_job):
                yield [run for run in map(self._ours, page) if run.job in names]

    def _is_ours(self, webhook: Webhook) -> bool:
        ours = self._set_up.delivers_to.rstrip("/")
        return not ours or webhook.delivery_url == ours or webhook.delivery_url.startswith((f"{ours}/", f"{ours}?"))

    def _disabled_itself(self, webhook: Webhook) -> Run | None:
        """The failed run that a webhook is which WooCommerce disabled; None of one in another status."""
        at = webhook.date_modified_gmt
        if webhook.status != DISABLED or self._set_up.stop_by == DISABLED or at is None:
            return None
        job = self._job(webhook)
        run_id = f"{job.id}/disabled/{at.isoformat()}"
        return Run(run_id, f"{job.name} disabled", job.id, RunState.FAILED, DISABLED, DISABLED_ITSELF, job.url, at, at)

    def _ours(self, run: Run) -> Run:
        """A run of the record with the job's id of ours."""
        name = f"key/{run.job}" if f"key/{run.job}" in self._keys else f"webhook/{run.job}"
        return Run(
            run.id, run.name, name, run.state, run.said, run.message, run.url, run.started_at, run.ended_at
        )  # fmt: skip

    def _in_record(self, job: Job) -> str:
        return job.id.partition("/")[2]

    def _job(self, webhook: Webhook) -> Job:
        page = f"{self._admin}&section=webhooks&edit-webhook={webhook.id}"
        name = webhook.name or webhook.topic or f"webhook {webhook.id}"
        return Job(f"webhook/{webhook.id}", name, page, *self._whose)

    def _key_job(self, job_id: str) -> Job:
        by = f"the shop's administrator, who revokes the key at {KEYS_PAGE}"
        return Job(job_id, f"API key {self._keys[job_id]}", f"{self._admin}&section=keys", *self._whose, stopped_by=by)

    @property
    def _admin(self) -> str:
        return f"{self._site.site}/wp-admin/admin.php?page=wc-settings&tab=advanced"

    @property
    def _whose(self) -> tuple[str | None, str | None, str | None]:
        told = self._set_up
        return told.retailer or None, told.marketplace or None, told.connection or None


def _number_of(job_id: str) -> int | None:
    found = _WEBHOOK.fullmatch(job_id)
    return int(found[1]) if found else None
