"""The blocks: Prefect's own standard suite, what they keep secret, and how they are found by name."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from PIL import Image
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from prefect_email import EmailServerCredentials
from prefect_email.credentials import SMTPServer
from pydantic import SecretStr

import caseproof.web
from blocks.airflow import AirflowJobs
from blocks.base import PrefectDown, StaleBlock, load_block
from blocks.catalogue import KINDS, register_blocks
from blocks.channels import CONNECTS, TEAMS, VOICES, GoToCall, TeamsWebhook, TwilioVoice
from blocks.desks import DESKS, EmbeddedDesk
from blocks.http_jobs import HttpJobs
from blocks.inbox import MAILBOXES, RetailerMailbox
from blocks.jira import JiraCloud
from blocks.mail import account_of
from blocks.platforms import PLATFORMS, PrefectJobs
from blocks.rt import RequestTracker
from blocks.setting_up import carry_out, make_plan
from blocks.sql_jobs import SqlJobTable
from blocks.woocommerce import WooCommerceSite
from blocks.zoho import ZohoDesk
from caseproof.config.clock import utc_now
from caseproof.config.policy import DesksPolicy
from caseproof.config.settings import Settings
from caseproof.desks.base import DeskError
from caseproof.domain.errors import BadInput
from caseproof.procedure.core.services import bootstrap
from caseproof.up.processes import free_port
from sandbox.jira import EMAIL, JiraSimulator
from sandbox.processes import PrefectServer
from sandbox.provider import running
from sandbox.world import World

WEB = Path(caseproof.web.__file__).parent
SECRET = "hunter2-not-for-people"
OURS: tuple[type[Block], ...] = (*PLATFORMS, *DESKS, *MAILBOXES, *TEAMS, *VOICES, *CONNECTS)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def pictures() -> Iterator[str]:
    """The address of a server of the web app's own folder, where /static/... is what the app serves there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(WEB)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class StandardSuite(BlockStandardTestSuite):
    """Prefect's suite as it is, but the picture is read from a server that the test starts."""

    @pytest.fixture(autouse=True)
    def _remember(self, pictures: str) -> None:
        self.pictures = pictures

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        assert block._logo_url is not None
        assert block._logo_url.path is not None
        assert block._logo_url.path.startswith("/static/")
        picture = httpx.get(f"{self.pictures}{block._logo_url.path}", timeout=10, trust_env=False).raise_for_status()
        image = Image.open(BytesIO(picture.content))
        assert image.format == "PNG"
        assert image.width == image.height
        assert 1000 > image.width > 45


class TestPrefectJobs(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return PrefectJobs


class TestSqlJobTable(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return SqlJobTable


class TestHttpJobs(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return HttpJobs


class TestAirflowJobs(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return AirflowJobs


class TestWooCommerceSite(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return WooCommerceSite


class TestEmbeddedDesk(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return EmbeddedDesk


class TestJiraCloud(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return JiraCloud


class TestRequestTracker(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return RequestTracker


class TestZohoDesk(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return ZohoDesk


class TestRetailerMailbox(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return RetailerMailbox


class TestTeamsWebhook(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return TeamsWebhook


class TestTwilioVoice(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return TwilioVoice


class TestGoToCall(StandardSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return GoToCall


# -- names ----------------------------------------------------------------------------------------------------------


def test_the_slugs_never_change_because_saved_blocks_are_found_by_them() -> None:
    slugs = [kind.get_block_type_slug() for kind in OURS]
    assert slugs == [
        "caseproof-prefect-jobs",
        "caseproof-sql-job-table",
        "caseproof-http-jobs",
        "caseproof-airflow-jobs",
        "caseproof-woocommerce-site",
        "caseproof-embedded-desk",
        "caseproof-jira-cloud",
        "caseproof-request-tracker",
        "caseproof-zoho-desk",
        "caseproof-retailer-mailbox",
        "caseproof-teams-webhook",
        "caseproof-twilio-voice",
        "caseproof-goto-call",
    ]


@pytest.mark.parametrize("kind", OURS)
def test_a_blocks_docs_are_a_page_that_exists(kind: type[Block]) -> None:
    address = str(kind._documentation_url)
    page = address.removeprefix(f"{Settings().public}/docs/")
    assert (Path(caseproof.__path__[0]).parent / "docs" / f"{page}.md").is_file()


@pytest.mark.parametrize("kind", OURS)
def test_a_block_is_filled_in_without_choosing_types(kind: type[Block]) -> None:
    """Prefect's UI shows a field that may be None as a choice between a type and null."""
    fields = kind.model_json_schema()["properties"]
    assert fields
    assert [name for name, field in fields.items() if {"anyOf", "allOf", "oneOf"} & field.keys()] == []


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//example.com", "http://", "http://a b"]
)
def test_an_address_that_is_none_of_a_page_is_refused_in_plain_words(address: str) -> None:
    """People follow these addresses; Prefect's form refuses by the pattern, everything else by the sentence."""
    well: dict[str, Any] = {"api_url": "https://jobs.example.com/api", "ui_url": "http://127.0.0.1:4200"}
    for kind, field, others in (
        (PrefectJobs, "api_url", well), (PrefectJobs, "ui_url", well), (EmbeddedDesk, "ticket_url", {}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=rf"{field}\n  Value error, an address begins with http:// or https://"):
            kind(**(others | {field: address}))
        pattern = kind.model_json_schema()["properties"][field]["pattern"]
        assert re.search(pattern, address) is None
        assert re.search(pattern, well["api_url"])
        assert bool(re.search(pattern, "")) is (kind is EmbeddedDesk)


# -- secrets --------------------------------------------------------------------------------------------------------


def with_secrets() -> PrefectJobs:
    address = "http://127.0.0.1:4200"
    return PrefectJobs(
        api_url=f"{address}/api", ui_url=address, auth=SecretStr(f"admin:{SECRET}"), api_key=SecretStr(SECRET)
    )


def test_no_secret_of_a_platform_shows_where_it_is_printed() -> None:
    block = with_secrets()
    shown = [repr(block), str(block), str(block.model_dump()), block.model_dump_json(), repr(block.client())]
    assert [text for text in shown if SECRET in text] == []


def test_a_wrong_platform_is_refused_without_telling_its_secret() -> None:
    with pytest.raises(ValueError, match="ui_url") as refused:
        PrefectJobs(api_url="http://127.0.0.1:4200/api", auth=f"admin:{SECRET}", api_key=SECRET)  # type: ignore
    assert SECRET not in str(refused.value)


def mailbox(**other: Any) -> RetailerMailbox:
    given = {"host": "imap.example.com", "username": "cases@example.com", "password": SecretStr(SECRET)}
    return RetailerMailbox(**(given | other))


def test_no_secret_of_a_mailbox_shows_where_it_is_printed() -> None:
    block = mailbox()
    shown = [repr(block), str(block), str(block.model_dump()), block.model_dump_json(), repr(block.account(20))]
    assert [text for text in shown if SECRET in text] == []
    assert block.account(20).password == SECRET


def test_no_secret_of_a_desk_shows_where_it_is_printed(tmp_path: Path) -> None:
    through = SecretStr(f"http://us:{SECRET}@proxy.example.com:3128")
    zoho = ZohoDesk(
        organisation="60001234", department="1", contact="2", client_id="id", client_secret=SecretStr(SECRET),
        refresh_token=SecretStr(SECRET), proxy=through,
    )  # fmt: skip
    rt = RequestTracker(
        address="https://rt.example.com", user="caseproof", queue="Q", token=SecretStr(SECRET), proxy=through
    )
    services = bootstrap(Settings(home=tmp_path))
    for block in (zoho, rt):
        with closing(block.client(services)) as client:
            shown = [repr(block), str(block.model_dump()), block.model_dump_json(), repr(client)]
        shown.append(repr(block.account("z")))
        assert [text for text in shown if SECRET in text] == []
    assert (zoho.account("z").refresh_token, rt.account("z").token) == (SECRET, SECRET)
    services.store.close()


@pytest.mark.parametrize("wrong", [{"host": ""}, {"port": 0}, {"security": "tls"}, {"username": ""}, {"folder": ""}])
def test_a_wrong_mailbox_is_refused_without_telling_its_secret(wrong: dict[str, Any]) -> None:
    (field,) = wrong
    with pytest.raises(ValueError, match=field) as refused:
        mailbox(**wrong)
    assert SECRET not in str(refused.value)


def test_a_mailbox_is_read_as_its_block_says() -> None:
    account = mailbox(port=143, security="starttls", authserv=" mx.example.com ", verify=False).account(7)
    assert (account.host, account.port, account.security) == ("imap.example.com", 143, "starttls")
    assert (account.folder, account.done_folder, account.authserv) == ("INBOX", "Caseproof", "mx.example.com")
    assert (account.username, account.verify, account.timeout_seconds) == ("cases@example.com", False, 7)


def test_a_mailbox_whose_messages_would_go_where_they_came_from_is_refused() -> None:
    with pytest.raises(BadInput, match="two folders"):
        mailbox(done_folder="Inbox").account(20)


CHANNELS: list[tuple[type[Block], dict[str, Any], str]] = [
    (TeamsWebhook, {"url": SecretStr(f"https://example.com/workflows/1?sig={SECRET}")}, "url"),
    (
        TwilioVoice,
        {"account_sid": f"AC{'1' * 32}", "auth_token": SecretStr(SECRET), "number": "+442079460000"},
        "number",
    ),
    (GoToCall, {"client_id": "a", "client_secret": SecretStr(SECRET), "refresh_token": SecretStr(SECRET)}, "client_id"),
]


@pytest.mark.parametrize(("kind", "fields", "needed"), CHANNELS)
def test_no_secret_of_a_channel_shows_where_it_is_printed_or_refused(
    kind: Any, fields: dict[str, Any], needed: str
) -> None:
    block = kind(**fields)
    more = (utc_now,) if kind is GoToCall else ()
    made = [block.client("support", *more), block.hook("support") if kind is TeamsWebhook else block.account("support")]
    shown = [str(block), str(block.model_dump()), block.model_dump_json(), *map(repr, (block, *made))]
    assert [text for text in shown if SECRET in text] == []
    with pytest.raises(ValueError, match=needed) as refused:
        kind(**(fields | {needed: ""}))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "fields", "wrong"),
    [
        (TeamsWebhook, CHANNELS[0][1], {"url": SecretStr(f"http://example.com/?{SECRET}")}),
        (TwilioVoice, CHANNELS[1][1], {"number": "020 7946"}),
        (TwilioVoice, CHANNELS[1][1], {"account_sid": SECRET}),
    ],
)
def test_a_channel_that_cannot_reach_anybody_is_refused_without_telling_its_secret(
    kind: Any, fields: dict[str, Any], wrong: dict[str, Any]
) -> None:
    with pytest.raises(BadInput) as refused:
        kind(**(fields | wrong)).client("support")
    assert SECRET not in str(refused.value)


# -- saved and loaded -----------------------------------------------------------------------------------------------


@pytest.fixture
def server(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """The test session's Prefect server, as the one that this process talks to."""
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        yield prefect_server


@pytest.mark.usefixtures("server")
def test_a_saved_platform_comes_back_whole_under_its_name() -> None:
    with_secrets().model_copy(update={"retailer_tag": "shop:"}).save("blocks-saved", overwrite=True, _sync=True)
    loaded = load_block("blocks-saved", PLATFORMS, "platform")
    assert loaded.auth.get_secret_value() == f"admin:{SECRET}"
    assert loaded.api_key.get_secret_value() == SECRET
    assert (loaded.api_url, loaded.retailer_tag) == ("http://127.0.0.1:4200/api", "shop:")


@pytest.mark.usefixtures("server")
def test_prefect_keeps_a_platforms_secrets_out_of_what_it_shows() -> None:
    with_secrets().save("blocks-hidden", overwrite=True, _sync=True)
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name("blocks-hidden", "caseproof-prefect-jobs", include_secrets=False)
    assert set(document.data) >= {"auth", "api_key"}
    assert SECRET not in document.model_dump_json()


@pytest.mark.usefixtures("server")
def test_a_saved_mailbox_comes_back_whole_and_prefect_shows_no_password() -> None:
    mailbox(authserv="mx.example.com").save("blocks-inbox", overwrite=True, _sync=True)
    loaded = load_block("blocks-inbox", MAILBOXES, "mailbox")
    assert (loaded.password.get_secret_value(), loaded.authserv) == (SECRET, "mx.example.com")
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(
            "blocks-inbox", "caseproof-retailer-mailbox", include_secrets=False
        )
    assert SECRET not in document.model_dump_json()


@pytest.mark.usefixtures("server")
def test_a_saved_desk_is_loaded_by_the_policys_name() -> None:
    EmbeddedDesk(ticket_url="https://desk.example.com/").save("blocks-desk", overwrite=True, _sync=True)
    assert load_block("blocks-desk", DESKS, "desk").ticket_url == "https://desk.example.com/"


@pytest.mark.usefixtures("server")
def test_development_s_desk_is_set_up_by_a_file_of_its_own_with_its_token_out_of_the_environment(
    tmp_path: Path,
) -> None:
    services = bootstrap(Settings(home=tmp_path))
    policy = services.policy.model_copy(update={"desks": DesksPolicy(development="blocks-code")})
    services = replace(services, policy=policy)
    with running(JiraSimulator()) as (jira, url):
        jira.token = SECRET
        file = tmp_path / "setup.yaml"
        entry = f"name: blocks-code, type: jira-cloud, site: '{url}/', email: {EMAIL}, project: dev"
        file.write_text(f"desk: {{{entry}, api_token: {SECRET}}}")
        with pytest.raises(BadInput, match="from_env"):
            make_plan(services, file, {})
        file.write_text(f"desk: {{{entry}, api_token: {{from_env: TOKEN}}}}")
        plan = make_plan(services, file, {"TOKEN": SECRET})
        assert plan.notes == (), "it is not the desk of the policy, but development's"
        carry_out(services, plan)
        desk = load_block("blocks-code", DESKS, "desk").client(services)
        assert desk.create("SC-000001/development/1", "Keep the session", "").url == f"{url}/browse/DEV-1"
        jira.token = "another"
        with pytest.raises(DeskError, match=r"Jira Cloud \(the desk 'blocks-code'\) does not accept") as refused:
            desk.probe()
        assert SECRET not in f"{refused.value!r} {plan}"
        desk.close()


@pytest.mark.usefixtures("server")
def test_a_name_that_nothing_is_saved_under_is_refused_with_the_kinds_that_there_are() -> None:
    with pytest.raises(BadInput) as refused:
        load_block("blocks-unknown", (*PLATFORMS, *DESKS), "platform")
    assert "'blocks-unknown'" in refused.value.problem
    assert f"{DESKS[-1].get_block_type_slug()} under this name" in refused.value.next_action


@pytest.mark.usefixtures("server")
def test_a_block_of_another_kind_under_this_name_is_not_taken() -> None:
    EmbeddedDesk().save("blocks-other-kind", overwrite=True, _sync=True)
    with pytest.raises(BadInput, match="no platform called"):
        load_block("blocks-other-kind", PLATFORMS, "platform")


def test_a_prefect_that_is_down_is_said_at_once_and_not_taken_for_a_missing_block() -> None:
    started = time.monotonic()
    with (
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}),
        pytest.raises(PrefectDown) as down,
    ):
        load_block("blocks-saved", PLATFORMS, "platform")
    assert time.monotonic() - started < 30
    assert "PREFECT_API_URL" in down.value.next_action


def test_without_a_server_prefect_is_not_let_to_start_an_empty_one_of_its_own() -> None:
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(PrefectDown, match="PREFECT_API_URL is not set"),
    ):
        load_block("blocks-saved", PLATFORMS, "platform")


# -- saved by another version ---------------------------------------------------------------------------------------


def save_as_another_version(server: PrefectServer, kind: type[Block], name: str, **data: Any) -> None:
    """Save what a form of this kind with other fields would: all texts, ``password`` a secret."""
    register_blocks()
    fields = {
        "title": "of another version",
        "type": "object",
        "properties": {field: {"type": "string", "title": f"{name} {field}"} for field in data},
        "secret_fields": ["password"],
        "block_schema_references": {},
        "block_type_slug": kind.get_block_type_slug(),
    }
    type_id = World.call(server, "GET", f"block_types/slug/{kind.get_block_type_slug()}").json()["id"]
    shape = {"fields": fields, "block_type_id": type_id, "version": "older"}
    schema_id = World.call(server, "POST", "block_schemas/", json=shape).json()["id"]
    ids = {"block_type_id": type_id, "block_schema_id": schema_id}
    World.call(server, "POST", "block_documents/", json={"name": name, "data": data, **ids})


def test_a_block_that_lacks_a_field_is_named_with_what_to_do_and_is_no_prefect_that_is_down(
    server: PrefectServer,
) -> None:
    save_as_another_version(server, PrefectJobs, "blocks-old", address="http://jobs.example.com", password=SECRET)
    with pytest.raises(StaleBlock) as stale:
        load_block("blocks-old", PLATFORMS, "platform")
    assert "The platform 'blocks-old' was saved by another version" in stale.value.problem
    assert "api_url: Field required; ui_url: Field required" in stale.value.problem
    assert "caseproof setup" in stale.value.next_action
    assert stale.value.__cause__ is None
    assert SECRET not in str(stale.value)


def test_a_renamed_field_is_not_taken_for_its_default(server: PrefectServer) -> None:
    save_as_another_version(server, EmbeddedDesk, "blocks-renamed", tickets_at="https://desk.example.com")
    with pytest.raises(StaleBlock, match="tickets_at: there is no such field any more"):
        load_block("blocks-renamed", DESKS, "desk")


def test_setting_up_mends_an_old_block_and_leaves_nothing_of_it_behind(server: PrefectServer, tmp_path: Path) -> None:
    save_as_another_version(server, EmbeddedDesk, "blocks-mended", tickets_at="x", password=SECRET)
    file = tmp_path / "setup.yaml"
    file.write_text("desk: {name: blocks-mended, type: embedded-desk}")
    services = bootstrap(Settings(home=tmp_path))
    plan = make_plan(services, file, {})
    assert [change.state for change in plan.changes] == ["changed: saved by another version"]
    carry_out(services, plan)
    assert load_block("blocks-mended", DESKS, "desk").ticket_url == ""
    with get_client(sync_client=True) as client:
        saved = client.read_block_document_by_name("blocks-mended", EmbeddedDesk.get_block_type_slug())
    assert set(saved.data) <= {"ticket_url", "block_type_slug"}


# -- the catalogue --------------------------------------------------------------------------------------------------


def test_the_forms_are_in_the_catalogue_with_their_pictures_and_pages(server: PrefectServer) -> None:
    register_blocks()
    register_blocks()  # repeating is harmless
    found = {kind["slug"]: kind for kind in World.call(server, "POST", "block_types/filter", json={}).json()}
    assert {kind.get_block_type_slug() for kind in KINDS} <= set(found)
    for kind in OURS:
        shown = found[kind.get_block_type_slug()]
        assert shown["logo_url"] == str(kind._logo_url)
        assert shown["documentation_url"] == str(kind._documentation_url)
        assert shown["description"].startswith(str(kind.__doc__).splitlines()[0])


@pytest.mark.parametrize("kind", OURS)
def test_every_field_of_a_form_has_a_title_and_a_description_of_its_own(kind: type[Block]) -> None:
    unsaid = [name for name, field in kind.model_fields.items() if not field.title or not field.description]
    assert unsaid == []


def test_registering_where_prefect_is_down_is_said() -> None:
    with (
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}),
        pytest.raises(PrefectDown, match="Caseproof Prefect Jobs cannot be registered"),
    ):
        register_blocks()


# -- mail -----------------------------------------------------------------------------------------------------------


def credentials(**more: Any) -> EmailServerCredentials:
    return EmailServerCredentials(username="cases", password=SecretStr(SECRET), **more)


@pytest.mark.parametrize(
    ("kind", "security", "port"), [("SSL", "ssl", 465), ("STARTTLS", "starttls", 587), ("INSECURE", "plain", 25)]
)
def test_the_account_speaks_as_its_block_says_on_that_ways_own_port(kind: str, security: str, port: int) -> None:
    account = account_of(credentials(smtp_server="mail.example.com", smtp_type=kind), 20)
    assert (account.host, account.security, account.port) == ("mail.example.com", security, port)
    assert account.timeout_seconds == 20


def test_a_port_of_ones_own_comes_before_the_usual_one() -> None:
    block = credentials(smtp_server="mail.example.com", smtp_type="STARTTLS", smtp_port=2525)
    assert account_of(block, 5).port == 2525


def test_a_server_that_prefect_knows_by_name_is_taken_by_its_address() -> None:
    block = credentials(smtp_server=SMTPServer.GMAIL)
    assert account_of(block, 5).host == SMTPServer.GMAIL.value
    assert "." in account_of(block, 5).host


@pytest.mark.parametrize(("said", "checked"), [(None, True), (True, True), (False, False)])
def test_a_certificate_is_checked_unless_the_block_says_no(said: bool | None, checked: bool) -> None:
    more = {} if said is None else {"verify": said}
    assert account_of(credentials(smtp_server="mail.example.com", **more), 5).verify is checked


def test_the_accounts_password_is_there_for_the_server_and_for_nobody_else() -> None:
    account = account_of(credentials(smtp_server="mail.example.com"), 5)
    assert account.password == SECRET
    assert SECRET not in repr(account)
