"""A small installation with real cases: a real store and vault, the embedded desk, and the product's own proof."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw

from caseproof.config.policy import BUILT_IN, TeamInForce, load_policy
from caseproof.config.settings import Settings
from caseproof.desks.embedded import EmbeddedDesk
from caseproof.domain.case import Case
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.vault import Vault
from caseproof.procedure.closing.proving import close, make_proof
from caseproof.procedure.closing.ticket import attach_photo, close_ticket, ensure_ticket
from caseproof.procedure.core.logins import TeamLogins
from caseproof.procedure.core.services import Services
from caseproof.store import Store
from caseproof.web import create_app
from caseproof.web.who import Who
from tests.support.answer_page import tell

WEB_URL = "http://127.0.0.1:8321"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "nine tall chimneys"
MAIL = b"From: shop@example.com\r\nSubject: token\r\n\r\nDone.\r\n"


def picture(text: str) -> bytes:
    """A PNG that stands for a platform's page of a run."""
    image = Image.new("RGB", (1280, 640), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1280, 70), fill=(20, 58, 105))
    draw.text((30, 24), text, fill="white", font_size=22)
    draw.rounded_rectangle((30, 110, 200, 160), 12, fill=(32, 140, 82))
    draw.text((54, 122), "Completed", fill="white", font_size=24)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@dataclass
class World:
    """An installation whose clock moves by a minute with each look at it, and steps that take a case further."""

    home: Path
    public: str = ""
    now: datetime = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    services: Services = field(init=False)
    desk: EmbeddedDesk = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings(home=self.home, web_url=WEB_URL, public_url=self.public or None)
        store = Store(settings.database)
        store.migrate()
        vault = Vault(settings.home_folder / "evidence")
        self.services = Services(settings, load_policy(BUILT_IN), store, vault, clock=self.tick)
        self.desk = EmbeddedDesk(store, vault, self.tick, url_base=settings.public)

    def tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    @property
    def logins(self) -> TeamLogins:
        """The team's logins, with passwords that are hashed at once."""
        return TeamLogins(self.services.store, self.tick, TeamInForce(self.services.settings), CHEAP)

    def record(self, ref: str, kind: Kind, actor: str = "caseproof", /, **data: Any) -> Case:
        return self.services.ledger.record(ref, kind, actor, **data)

    # -- the steps, each from where the one before ended ---------------------------------------------------------

    def opened(self, job: str = "offers/feed-a", **facts: Any) -> str:
        """A case that exists and is not stopped yet."""
        told: dict[str, Any] = {
            "platform": "jobs", "job": job, "job_name": "Offers of shop A", "retailer": "Shop A",
            "job_url": "https://jobs.example.com/offers/feed-a", "marketplace": "North", "cause": "expired_token",
            "summary": "401 from the marketplace: the token has expired", "how": "daily check", "scope": "job",
        }  # fmt: skip
        with self.services.store.uow() as uow:
            case = uow.cases.create(self.services.ledger.event(Kind.OPENED, "operator", **(told | facts)))
            uow.commit()
        return case.ref

    def waiting(self, job: str = "offers/feed-a", **facts: Any) -> str:
        """A case whose retailer was told."""
        ref = self.opened(job, **facts)
        stop = self.services.files.keep_json(ref, "stop-1.json", {"job": job, "active": False})
        jobs = [{"job": job, "name": "Offers of shop A", "was_active": True, "active": False, "waiting": 0}]
        self.record(ref, Kind.STOPPED, scope="job", jobs=jobs, evidence=stop)
        ensure_ticket(
            self.services.ledger,
            self.services.effects,
            self.services.links,
            self.desk,
            ref,
            desk_name=self.services.policy.desk,
        )
        notice = self.services.files.keep(
            ref, b"Subject: notice\r\n\r\nPlease renew.", "notice-1.eml", "message/rfc822"
        )
        to = ["shop@example.com"]
        name = f"<{ref.lower()}.1.notice@example.com>"
        self.record(ref, Kind.NOTICE_SENT, message_id=name, accepted=to, evidence=notice)
        return ref

    def confirm(self, ref: str, words: str = "We renewed the token this morning.") -> None:
        kept = self.services.files.keep(ref, MAIL, "confirmation.eml", "message/rfc822")
        sender = "shop@example.com"
        self.record(
            ref,
            Kind.CONFIRMATION_RECEIVED,
            "operator",
            sender=sender,
            words=words,
            evidence=kept,
            by_way_of="message",
        )

    def verified(self, job: str = "offers/feed-a", **facts: Any) -> str:
        """A case whose job ran again successfully, with its picture on the ticket."""
        ref = self.waiting(job, **facts)
        self.confirm(ref)
        self.record(ref, Kind.CHANGE_VALIDATED, "operator", how="The new token is set; a test call answers 200.")
        decision = "reactivate after the retailer's change"
        self.record(
            ref,
            Kind.DECIDED,
            "operator",
            decision=decision,
            reason="The token is new.",
            review="another person",
        )
        url = "https://jobs.example.com/runs/r-1"
        self.record(ref, Kind.RUN_STARTED, run="r-1", purpose="rerun", url=url, name="tidy-otter")
        read = {"run": "r-1", "purpose": "rerun", "name": "tidy-otter", "said": "Completed", "url": url}
        read |= {"started_at": self.tick().isoformat(), "ended_at": self.tick().isoformat()}
        kept = self.services.files.keep_json(ref, "run-1.json", read)
        self.record(ref, Kind.RUN_VERIFIED, **read, evidence=kept)
        self.record(ref, Kind.SCHEDULE_LIVE, jobs=[{"job": job, "name": "Offers of shop A", "active": True}])
        shot = self.services.files.keep(ref, picture(f"{job} / tidy-otter"), "run-page-1.png", "image/png")
        taken = self.tick().isoformat()
        self.record(
            ref,
            Kind.PHOTOGRAPHED,
            run="r-1",
            taken_at=taken,
            evidence=shot,
            names_run=True,
            names_success=True,
            url=url,
        )
        attach_photo(self.services.ledger, self.services.vault, self.services.effects, self.desk, ref)
        return ref

    def closed(self, job: str = "offers/feed-a", **facts: Any) -> str:
        """A case that is closed, with the product's own proof."""
        ref = self.verified(job, **facts)
        self.record(ref, Kind.REVIEW_APPROVED, "team lead", remark="The page names the run.")
        look = self.services.files.keep_json(ref, "last-look.json", {"runs": []})
        self.record(ref, Kind.LOOKED_AGAIN, failed=[], evidence=look)
        make_proof(self.services.ledger, self.services.files, self.services.proofs, ref)
        close(self.services.ledger, self.services.vault, self.services.effects, self.desk, ref)
        close_ticket(self.services.ledger, self.services.links, self.desk, ref)
        return ref


@pytest.fixture(scope="session")
def fresh_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose store was migrated: copying it is faster than migrating again."""
    home = tmp_path_factory.mktemp("fresh") / "home"
    World(home).services.store.close()
    return home


@pytest.fixture
def world(tmp_path: Path, fresh_home: Path) -> Iterator[World]:
    """An installation without cases."""
    made = World(Path(shutil.copytree(fresh_home, tmp_path / "home")))
    yield made
    made.services.store.close()


@dataclass(frozen=True)
class Town:
    """An installation that tests only look at, with a case in each of these states."""

    world: World
    closed: str
    verified: str
    waiting: str
    opened: str


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory, fresh_home: Path) -> Iterator[Town]:
    """An installation with cases, made once; the app only reads, so that looking changes nothing in it."""
    world = World(Path(shutil.copytree(fresh_home, tmp_path_factory.mktemp("town") / "home")))
    yield Town(
        world, world.closed("offers/a"), world.verified("offers/b"), world.waiting("offers/c"), world.opened("offers/d")
    )
    world.services.store.close()


@pytest.fixture(scope="session")
def visitor(town: Town) -> TestClient:
    """A client of the app of the installation that tests only look at."""
    return visit(town.world)


def visit(world: World, **options: Any) -> TestClient:
    """A client of the app over an installation; errors come as pages, and redirects are not followed."""
    app = create_app(world.services, **({"logins": world.logins} | options))
    return TestClient(app, WEB_URL, raise_server_exceptions=False, follow_redirects=False)


def log_in(world: World, client: TestClient, name: str = "operator") -> TestClient:
    """The same client, logged in as somebody of the team."""
    _, link = world.logins.invite(name)
    cookie = Who(world.services.settings, world.logins).cookie
    client.headers["Cookie"] = f"{cookie}={world.logins.use_link(link, PASSWORD)}"
    return client


@pytest.fixture(scope="session")
def logged_in() -> Callable[..., TestClient]:
    """Logs a client in."""
    return log_in


@pytest.fixture
def make_world(tmp_path: Path, fresh_home: Path) -> Iterator[Callable[..., World]]:
    """More offices, with other settings."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(World(Path(shutil.copytree(fresh_home, tmp_path / f"home-{len(made)}")), **settings))
        return made[-1]

    yield make
    for one in made:
        one.services.store.close()


@pytest.fixture(scope="session")
def make_world_at() -> Callable[..., World]:
    """Makes an installation in a folder; whoever asks for it closes its store."""
    return World


@pytest.fixture(scope="session")
def make_client() -> Callable[..., TestClient]:
    """Makes a client of the app of an installation."""
    return visit


@pytest.fixture
def client(world: World) -> TestClient:
    """A client of the app of the installation without cases."""
    return visit(world)


@pytest.fixture(scope="session")
def told_home(tmp_path_factory: pytest.TempPathFactory, fresh_home: Path) -> World:
    """An installation that is closed already, with one case whose retailer got a letter: its home is for copying."""
    made = World(Path(shutil.copytree(fresh_home, tmp_path_factory.mktemp("told") / "home")))
    tell(made, visit).services.store.close()
    return made


@pytest.fixture
def told(tmp_path: Path, told_home: Any) -> Iterator[Any]:
    """A world with one case whose retailer got a letter: ``ref``, ``url`` of its page, and a ``client``."""
    made: Any = World(Path(shutil.copytree(told_home.home, tmp_path / "told")), now=told_home.now)
    made.ref, made.link, made.url = told_home.ref, told_home.link, told_home.url
    made.client = visit(made)
    yield made
    made.services.store.close()
