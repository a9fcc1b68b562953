"""Our own Prefect server, over its REST API: password, version, work pool, deployments, a worker that polls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from caseproof.config.clock import utc_now
from caseproof.doctor.calls import Caller
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Failed
from caseproof.http.client import Answer, credentials
from caseproof.platforms.prefect_pages import look_at_pages
from caseproof.procedure.views.board import board_url

HEARTBEAT_SECONDS = 90
"""A worker tells Prefect every 30 s that it lives; Prefect itself calls it offline after three of these."""
_DEPLOY = "Deploy again: `caseproof up` does it at its start, or `prefect deploy --all` in the project's folder."
_ADDRESS = "Check that the Prefect server runs, and that PREFECT_API_URL is its address (it ends in /api)."


@dataclass(frozen=True)
class PrefectAccess:
    """How this installation reaches its Prefect server: the values of Prefect's own settings, "" where unset.

    ``auth`` is ``user:password``; ``version`` is that of the Prefect that is installed here; ``ui_url`` is where people
    open its pages.
    """

    api_url: str
    version: str
    auth: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    ui_url: str = ""


@dataclass(frozen=True)
class WantedDeployment:
    """A deployment as this code would make it. ``name`` is ``flow/deployment``; ``schema`` that of its parameters."""

    name: str
    entrypoint: str
    pool: str
    tags: frozenset[str]
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Pool:
    """A work pool of our flows, and what does not happen ``without`` it, in words."""

    name: str
    without: str


@dataclass(frozen=True)
class _Fault:
    """What is wrong with a deployment: ``words`` follow its name; ``paused``: nothing else is wrong with it."""

    words: str
    paused: bool = False


class PrefectChecks:
    """The checks, in their order: each uses what the one before it found."""

    def __init__(self, read_access: Callable[[], PrefectAccess], clocks: Clocks) -> None:
        self._read_access = read_access
        self._clocks = clocks
        self._access = PrefectAccess("", "")
        self._call: Caller | None = None
        self._version = ""

    def close(self) -> None:
        """Close the connections."""
        if self._call is not None:
            self._call.close()

    @property
    def api_url(self) -> str:
        """The address of the API, once it was checked; "" before."""
        return self._access.api_url

    def address(self) -> str:
        """Whether PREFECT_API_URL names a server at all."""
        self._access = access = self._read_access()
        if not access.api_url:
            raise Failed(
                "PREFECT_API_URL is not set.",
                "Start a server with `caseproof up`, or point it at the Prefect server that runs the cases.",
            )
        if not access.api_url.startswith(("http://", "https://")):
            raise Failed("PREFECT_API_URL is no web address.", "Write it like http://127.0.0.1:4200/api.")
        headers = credentials(access.auth, access.api_key)
        self._call = Caller(access.api_url, "Prefect's server", self._clocks, next_action=_ADDRESS, headers=headers)
        return self._call.address

    def server(self) -> str:
        """Whether it answers, and lets us in."""
        answer = self._ask("GET", "admin/version")
        if answer.is_unauthorized:
            raise self._wrong_password(answer.status)
        told = answer.json() if answer.is_success else None
        if not isinstance(told, str):
            raise Failed(f"{self._where} answers, but is no Prefect API (it answered {answer.status}).", _ADDRESS)
        self._version = told
        return f"{self._where} answers"

    def version(self) -> str:
        """Whether the server is of the version that is installed here."""
        if self._version != self._access.version:
            raise Failed(
                f"{self._where} is Prefect {self._version}; installed here is {self._access.version}.",
                f"Run Prefect {self._access.version} there too: cases wait on how that version suspends and resumes.",
            )
        return f"Prefect {self._version} on both sides"

    def pages(self) -> str:
        """Whether the pages that people open call this server; where the board is among them. Raises PlatformRefused,
        PlatformDown."""
        url = self._access.api_url.rstrip("/")
        ui = self._access.ui_url or url.removesuffix("/api")
        return f"{look_at_pages(ui, url)}; the board is {board_url(ui)}"

    def work_pool(self, pool: Pool) -> str:
        """Whether a work pool of our flows is there and not paused."""
        answer = self._ask("GET", f"work_pools/{quote(pool.name, safe='')}")
        if answer.is_missing:
            raise Failed(
                f"Prefect has no work pool '{pool.name}'.",
                f"Make it: `prefect work-pool create {pool.name} --type process`.",
            )
        if self._object(answer).get("is_paused"):
            raise Failed(
                f"The work pool '{pool.name}' is paused, so {pool.without}.",
                f"`prefect work-pool resume {pool.name}`",
            )
        return f"'{pool.name}' is there and not paused"

    def deployments(self, read_wanted: Callable[[], Sequence[WantedDeployment]]) -> str:
        """Whether each deployment is there, as this code would make it, and not paused."""
        wanted = read_wanted()
        faults = {one.name: fault for one in wanted if (fault := self._fault_of(one))}
        if faults:
            wrong = [f"{name} {fault.words}" for name, fault in faults.items()]
            only_paused = all(fault.paused for fault in faults.values())
            action = "Resume it on its page in the Prefect UI." if only_paused else _DEPLOY
            raise Failed(f"Deployments are not as this version needs them: {'; '.join(wrong)}.", action)
        return f"{len(wanted)} deployments are there and current"

    def worker(self, pool: Pool) -> str:
        """Whether a worker polls the pool. Its age is taken on Prefect's clock, so that ours cannot be to blame."""
        answer = self._ask("POST", f"work_pools/{quote(pool.name, safe='')}/workers/filter", json={})
        workers = answer.json()
        if not answer.is_success or not isinstance(workers, list):
            raise self._not_understood(answer)
        moment = answer.date or utc_now()
        ages = {str(one.get("name")): _age(one, moment) for one in workers if one.get("status") == "ONLINE"}
        polling = [name for name, age in ages.items() if age is not None and age <= HEARTBEAT_SECONDS]
        if not polling:
            known = ", ".join(str(one.get("name")) for one in workers) or "none was ever seen"
            raise Failed(
                f"No worker polls the work pool '{pool.name}', so {pool.without} (workers: {known}).",
                f"Start one: `caseproof up`, or `prefect worker start --pool {pool.name}`. "
                f"One that was started a moment ago shows itself within {HEARTBEAT_SECONDS // 3} s.",
            )
        return f"{', '.join(polling)} polls '{pool.name}'"

    def _fault_of(self, wanted: WantedDeployment) -> _Fault | None:
        """What is wrong with a deployment; None for nothing."""
        flow, _, name = wanted.name.partition("/")
        answer = self._ask("GET", f"deployments/name/{quote(flow, safe='')}/{quote(name, safe='')}")
        if answer.is_missing:
            return _Fault("is missing")
        found = self._object(answer)
        compared = {
            "entrypoint": (found.get("entrypoint"), wanted.entrypoint),
            "work pool": (found.get("work_pool_name"), wanted.pool),
            "tags": (frozenset(found.get("tags") or ()), wanted.tags),
            "description": ((found.get("description") or "").strip(), wanted.description.strip()),
            "parameters": (_parts(found.get("parameter_openapi_schema")), _parts(wanted.schema)),
        }
        other = [what for what, (there, here) in compared.items() if there != here]
        if other:
            return _Fault(f"is of another version ({', '.join(other)})")
        return _Fault("is paused", paused=True) if found.get("paused") else None

    def _ask(self, method: str, path: str, **options: Any) -> Answer:
        if self._call is None:
            raise AssertionError("the address is checked first")
        answer = self._call(method, path, **options)
        if answer.is_overloaded:
            raise Failed(
                f"{self._where} is overloaded or broken (it answered {answer.status}).",
                "Try again in a minute; if it stays so, look at the log of the Prefect server.",
            )
        return answer

    @property
    def _where(self) -> str:
        return f"{self._call.whose} at {self._call.address}" if self._call else "Prefect's server"

    def _object(self, answer: Answer) -> dict[str, Any]:
        told = answer.json()
        if not answer.is_success or not isinstance(told, dict):
            raise self._not_understood(answer)
        return told

    def _not_understood(self, answer: Answer) -> Failed:
        return Failed(f"{self._where} gave an answer that is not Prefect's ({answer.status}).", _ADDRESS)

    def _wrong_password(self, status: int) -> Failed:
        access = self._access
        name = "PREFECT_API_KEY" if access.api_key and not access.auth else "PREFECT_API_AUTH_STRING"
        what = "is wrong" if access.auth or access.api_key else "is not set, and the server asks for a password"
        return Failed(
            f"{self._where} does not let us in (it answered {status}): {name} {what}.",
            f"Set {name} to what the server has: user:password, as in its PREFECT_SERVER_API_AUTH_STRING. "
            "Is it the server of this home's `caseproof up`? Unset this and PREFECT_API_URL: both are found then."
            if name == "PREFECT_API_AUTH_STRING"
            else f"Set {name} to a key that is valid.",
        )


def _parts(schema: Any) -> tuple[Any, ...]:
    """What a parameter schema says; Prefect leaves parts away that hold nothing."""
    told: Mapping[str, Any] = schema if isinstance(schema, Mapping) else {}
    return told.get("properties") or {}, sorted(told.get("required") or ()), told.get("definitions") or {}


def _age(worker: Mapping[str, Any], moment: datetime) -> float | None:
    """Seconds since the worker's last heartbeat."""
    try:
        last = datetime.fromisoformat(str(worker.get("last_heartbeat_time")))
        return (moment - last).total_seconds()
    except (ValueError, TypeError):
        return None
