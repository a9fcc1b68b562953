"""A letter that is kept holds no key: whoever reads what we keep can answer in nobody's name.

A key is what a link or a reply address is signed with. Whoever wants to know it finds it in the retailer's mailbox
alone; links of before are void, and who waits for a retailer sends a new one.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, insert, select

from caseproof.backup import Home, make_backup, restore_backup
from caseproof.channels.outbound import samples
from caseproof.channels.outbound.mail import Delivery, MailDown, MailRefused
from caseproof.config.clock import utc_now
from caseproof.config.policy import Policy
from caseproof.config.settings import Settings
from caseproof.domain.codes import MessageCode
from caseproof.domain.errors import BadInput
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision, Disposition
from caseproof.evidence.answer_keys import IN_FORCE, SECRET_OF_BEFORE, AnswerKeys, KeyLost, fingerprint
from caseproof.evidence.proof import verify_proof
from caseproof.evidence.signing import answer_token, case_of_address, read_answer_token, reply_address
from caseproof.evidence.vault import Vault
from caseproof.procedure.answers import kept_mail
from caseproof.procedure.answers.kept_mail import without_keys
from caseproof.procedure.answers.manual_confirmation import confirm_by_message
from caseproof.procedure.answers.receiving import Received, receive
from caseproof.procedure.closing import deciding
from caseproof.procedure.core import parts
from caseproof.procedure.notify.renewing import owes_new_link, renew_link
from caseproof.procedure.notify.threads import link_until
from caseproof.store import Store
from caseproof.store.migrate import downgrade
from caseproof.store.tables import marks, metadata
from caseproof.web.app import create_app
from tests.backup.places import Place
from tests.support.keeper import Keeper, waits
from tests.support.letters import hidden_fields
from tests.support.retailer_mail import AUTHSERV, DONE, handed_on, letter_of
from tests.support.world import CONTACT, JOB, REVIEWER, World

PAGE = "https://answers.example.com"
LINK = re.compile(rf"{PAGE}/answer/([\w.~-]+)")
ANY_LINK = re.compile(r"/answer/([\w.~-]+)")
ANY_ADDRESS = re.compile(r"[\w.-]+\+jf-\d{6}-[\w*~-]+@[\w.-]+", re.IGNORECASE)
OLD = b"\x07" * 32


def with_page(world: World) -> World:
    """Retailers have a page and a mailbox to answer to."""
    settings = Settings(home=world.home, web_url="http://127.0.0.1:8321", answer_url=PAGE)
    world.services = replace(world.services, settings=settings)
    return world


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return with_page(make_world(answers={"mailbox": "retailers"}))


def client_of(world: World) -> TestClient:
    return TestClient(create_app(world.services), base_url=PAGE)


def client_inside(world: World) -> TestClient:
    """The team's pages, as the team sees them where nothing is reached from elsewhere: without a login."""
    settings = world.services.settings.model_copy(update={"public_url": None, "answer_url": None})
    return TestClient(create_app(replace(world.services, settings=settings)), base_url="http://127.0.0.1:8321")


def words(raw: bytes) -> str:
    return str(letter_of(raw).get_body(("plain",)).get_content())  # type: ignore[union-attr]


def token_in(raw: bytes) -> str:
    """The link of a letter as it left, as its reader sees it."""
    [token] = set(LINK.findall(words(raw)))
    return str(token)


def take_in(world: World, raw: bytes) -> Received:
    return receive(world.services.ledger, world.services.vault, world.services.replies, raw, authserv=AUTHSERV)


def reply(letter: bytes, to: str = "", said: str = DONE, sender: str = CONTACT) -> bytes:
    """A contact's answer that quotes our letter in both of its parts, as mail programs do."""
    told = letter_of(letter)
    mail = EmailMessage()
    mail["From"], mail["To"] = f"The owner <{sender}>", to or str(told["Reply-To"])
    mail["Subject"], mail["Message-ID"] = f"Re: {told['Subject']}", f"<{hashlib.sha256(letter).hexdigest()[:9]}@a>"
    mail["In-Reply-To"] = mail["References"] = str(told["Message-ID"])
    address = str(told["Reply-To"])
    quoted = "\n".join(f"> {line}" for line in (f"Reply-To: {address}", *words(letter).splitlines()))
    mail.set_content(f"{said}\n\nOn Friday Cases <{address}> wrote:\n{quoted}\n", cte="quoted-printable")
    inner = told.get_body(("html",)).get_content()  # type: ignore[union-attr]
    mail.add_alternative(f"<p>{said}</p><blockquote>{inner}</blockquote>", subtype="html", cte="base64")
    mail.add_attachment(letter, maintype="application", subtype="octet-stream", filename="your mail.eml")
    return handed_on(mail.as_bytes(), sender)


# -- a case from its notice to its proof ------------------------------------------------------------------------------


@dataclass
class Played:
    """A closed case that was answered on the page and by mail; ``keys`` are those that were out."""

    world: World
    ref: str
    came: bytes
    letters: list[bytes]
    tokens: list[str]
    macs: list[str]
    backup: Path

    @property
    def keys(self) -> list[str]:
        return [*self.tokens, *(token.rpartition(".")[2] for token in self.tokens), *self.macs]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, migrated: Path, built_in: Policy) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("played")
    own = Policy.model_validate(built_in.model_dump() | {"answers": {"mailbox": "retailers"}})
    world = with_page(World(Path(shutil.copytree(migrated, folder / "home")), policy=own))
    ref = world.open()
    world.walk(ref, until="tell")
    [(letter, envelope, _)] = world.mail.taken
    public = client_of(world)
    url = f"/answer/{token_in(letter)}"
    fields = hidden_fields(public.get(url).text)
    typed = f"See {PAGE}{url}, I wrote to {envelope}, too."
    assert public.post(url, data=fields | {"choice": "changed", "name": "Owner", "words": typed}).status_code == 200
    came = reply(letter)
    assert take_in(world, came).place is Disposition.COUNTED
    take_in(
        world, handed_on(f"From: x@example.org\r\nSubject: {envelope}\r\nTo: {envelope}\r\n\r\nHi\r\n".encode(), "x")
    )
    world.walk(ref, until="attach", people=False)
    approve: dict[str, Any] = {"approved": True, "by": REVIEWER, "remark": "", "checked": "A test call answers 200."}
    deciding.review(world.services.ledger, world.services.policy.team, ref, **approve)
    assert world.walk(ref, until="recover").is_closed
    assert world.case(ref).decided is Decision.AFTER_CHANGE, "so the proof rests on the retailer's words"
    letters = [raw for raw, *_ in world.mail.taken]
    backup = folder / "backup"
    home = Home(world.services.store, world.services.vault, world.services.proofs, None, world.services.keys.folder)
    make_backup(home, backup, now=world.clock())
    macs = [envelope.partition("@")[0].rpartition("-")[2]]
    yield Played(world, ref, came, letters, [token_in(letter)], macs, backup)
    world.services.store.close()


def decoded(content: bytes) -> str:
    """A file as its reader sees it, part by part where it is a mail."""
    texts = [content.decode("utf-8", "replace")]
    pieces = [content]
    while pieces:
        message = message_from_bytes(pieces.pop(), policy=policy.default)
        texts += [f"{name}: {value}" for name, value in message.items()]
        for part in message.walk():
            texts += [f"{name}: {value}" for name, value in part.items()]
            inner = part.get_payload(decode=True)
            if isinstance(inner, bytes):
                texts.append(inner.decode("utf-8", "replace"))
                if part.get_content_type() == "application/octet-stream":
                    pieces.append(inner)
    text = "\n".join(texts)
    return "\n".join(
        [text, html.unescape(text), text.replace("=\r\n", "").replace("=\n", ""), re.sub(r"\s+>?\s*", "", text)]
    )


def kept(folder: Path) -> dict[str, str]:
    """Every file of a folder but the keys, as its reader sees it."""
    files = [path for path in folder.rglob("*") if path.is_file() and "keys" not in path.relative_to(folder).parts]
    return {str(path.relative_to(folder)): decoded(path.read_bytes()) for path in files}


def test_no_key_is_found_in_anything_that_is_kept_of_a_case(played: Played) -> None:
    """The store with all its rows and what it wrote beside them, the evidence, the proof, reports, and a backup."""
    everything = kept(played.world.home) | {f"backup/{name}": text for name, text in kept(played.backup).items()}
    assert len(everything) > 20
    assert any("hidden" in text for text in everything.values()), "it looks where keys would be"
    lost = [name for name, text in everything.items() for key in played.keys if key.lower() in text.lower()]
    assert lost == []
    mails = sum(LINK.search(decoded(raw)) is not None for raw in played.letters)
    assert mails, "those that left have their keys"


def case_page(played: Played) -> str:
    with client_inside(played.world) as client:
        page = client.get(f"/cases/{played.ref}").text
        inbox = client.get("/inbox").text
        files = set(re.findall(r"/evidence/[0-9a-f]{64}", page))
        assert len(files) > 5
        return "\n".join([page, inbox, *(decoded(client.get(file).content) for file in files)])


def ticket(played: Played) -> str:
    store = played.world.services.store
    with store.reading() as uow:
        rows = uow.tickets.rows()
    engine = create_engine(played.world.services.settings.database)
    with engine.connect() as connection:
        told = [
            str(row)
            for table in ("tickets", "ticket_comments", "ticket_attachments")
            for row in connection.execute(select(metadata.tables[table]))
        ]
    engine.dispose()
    case = played.world.case(played.ref)
    files = [file.sha256 for row in rows for file in played.world.desk.attachments(case.ticket["ticket"])]
    return "\n".join([*told, *(decoded(played.world.vault.read(digest)) for digest in files)])


def evidence(played: Played) -> str:
    with played.world.services.store.reading() as uow:
        rows = uow.evidence.of(played.ref)
    return "\n".join(decoded(played.world.vault.read(row.digest)) for row in rows)


def proof(played: Played) -> str:
    path = played.world.proof(played.ref)
    assert all(check.ok for check in verify_proof(path)), "and it holds"
    told = json.loads(path.read_text())
    return path.read_text() + "\n".join(decoded((path.parent / file["path"]).read_bytes()) for file in told["files"])


def quoted_reply(played: Played) -> str:
    [word] = [one for one in played.world.case(played.ref).words if one["by_way_of"] == "mail"]
    return str(word["words"]) + decoded(played.world.vault.read(word["evidence"]))


READ = {
    "the evidence": evidence,
    "the case page": case_page,
    "the ticket": ticket,
    "the proof": proof,
    "a backup": lambda played: "\n".join(kept(played.backup).values()),
    "a quoted reply": quoted_reply,
}


@pytest.mark.parametrize("what", READ)
def test_who_reads_what_is_kept_can_answer_in_nobodys_name(played: Played, what: str) -> None:
    """Every link and every address in it is tried."""
    text = READ[what](played)
    assert [key for key in played.keys if key.lower() in text.lower()] == []
    secret = played.world.services.secret
    assert [one for one in ANY_ADDRESS.findall(text) if case_of_address(secret, one)] == []
    with client_of(played.world) as stranger:
        opened = {token: stranger.get(f"/answer/{token}").status_code for token in set(ANY_LINK.findall(text))}
    assert set(opened.values()) <= {404}
    with client_of(played.world) as retailer:
        assert retailer.get(f"/answer/{played.tokens[0]}").status_code == 200, "the retailer's own works"


def test_the_digest_of_what_left_and_of_what_came_stands_beside_what_is_kept(played: Played) -> None:
    case = played.world.case(played.ref)
    assert case.notice["sent"] == [hashlib.sha256(played.letters[0]).hexdigest()]
    assert case.notice["sent"] != [case.notice["evidence"]]
    [word] = [one for one in case.words if one["by_way_of"] == "mail"]
    assert word["original"] == hashlib.sha256(played.came).hexdigest()
    proof = json.loads(played.world.proof(played.ref).read_text())
    assert word["original"] in {one.get("original") for one in proof["confirmations"]}
    with played.world.services.store.reading() as uow:
        row = uow.messages.known(word["evidence"])
    assert row is not None
    assert row.original == word["original"]
    assert played.world.vault.read(word["evidence"]) == without_keys(played.came).content


# -- repeats ----------------------------------------------------------------------------------------------------------


def test_a_letter_that_may_have_left_is_repeated_byte_for_byte_from_what_is_kept_without_its_key(world: World) -> None:
    ref = world.open()
    world.mail.faulty.fails("send", after=MailDown("The line was cut.", maybe_sent=True))
    with pytest.raises(MailDown):
        world.walk(ref, until="tell")
    world.restart(minutes=60)
    with_page(world)
    world.walk(ref, until="tell")
    first, second = world.mail.taken
    assert first == second
    assert world.case(ref).notice["sent"] == [hashlib.sha256(first[0]).hexdigest()]
    assert token_in(first[0]) not in decoded(world.vault.read(world.case(ref).notice["evidence"]))


def test_a_text_of_the_job_that_looks_like_a_hidden_link_gets_no_key(world: World) -> None:
    ref = world.open(summary="401, see https://evil.example.org/answer/hidden")
    world.walk(ref, until="tell")
    assert "evil.example.org/answer/hidden" in words(world.mail.taken[0][0])
    assert "evil.example.org/answer/WyJ" not in words(world.mail.taken[0][0])


def test_a_key_that_somebody_types_is_hidden_where_it_enters(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    token, address = token_in(world.mail.taken[0][0]), world.mail.taken[0][1]
    case = world.confirm(ref, f"They wrote to {address}: done, see {PAGE}/answer/{token}.")
    world.decide(ref, reason=f"see {PAGE}/answer/{token}")
    said = json.dumps([event.as_json() for event in world.case(ref).events])
    said += world.vault.read(case.confirmations[-1]["evidence"]).decode()
    assert "answer/hidden" in said
    assert token not in said
    assert address not in said


def test_what_cannot_be_looked_through_for_keys_is_not_kept_or_is_refused_in_words(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: bytes) -> bytes:
        raise MemoryError

    monkeypatch.setattr(parts, "hide_keys", fails)
    monkeypatch.setattr(kept_mail, "hide_keys", fails)
    ref, services = world.open(), world.services
    kept = services.files.keep(ref, b"odd " * 100, "words.txt", "text/plain")
    assert world.vault.read(kept).startswith(b"This file is not kept")
    with pytest.raises(BadInput, match="keys of ours failed"):
        confirm_by_message(
            services.ledger, services.files, services.replies, ref, sender=CONTACT,
            raw=f"From: {CONTACT}\r\n\r\nDone.\r\n".encode(), recorded_by=REVIEWER, authserv=AUTHSERV,
        )  # fmt: skip


def test_a_mail_server_that_says_no_and_names_our_signed_address_tells_nobody(world: World) -> None:
    def refuses(_content: bytes, sender: str, _recipients: Sequence[str]) -> Delivery:
        raise MailRefused(f"The mail server refused: 550 <{sender}> may not send.", "Ask.", reason=f"550 <{sender}>")

    world.send = refuses
    ref = world.open()
    with pytest.raises(MailRefused, match=r"cases\+jf-000001-hidden"):
        world.walk(ref, until="tell")
    told = json.dumps([event.as_json() for event in world.case(ref).events])
    assert "hidden" in told
    assert [one for one in ANY_ADDRESS.findall(told) if case_of_address(world.services.secret, one)] == []


# -- links of before --------------------------------------------------------------------------------------------------


class Before:
    """An installation as the version before left it: the key in the store, letters with their keys in the evidence.

    ``refs`` are cases of one notice that wait for their retailer, ``letter`` is it as it left.
    """

    def __init__(self, world: World, *jobs: str, sent: bool = True) -> None:
        self.world, self.refs = world, list[str]()
        for job in jobs or (JOB,):
            world.platform.add(job)
            self.refs.append(world.open(job))
            world.walk(self.refs[-1], until="ticket")
        name, until = f"{self.refs[0].lower()}.1.notice", link_until(world.services.replies)
        self.token, self.address = answer_token(OLD, name, until), reply_address(OLD, "cases@example.com", self.refs[0])
        facts = replace(samples.notice_facts("en", "expired_token"), answer_url=f"{PAGE}/answer/{self.token}")
        message = samples.notice(facts)
        message.replace_header("Reply-To", self.address)
        message.replace_header("To", CONTACT)
        self.letter = message.as_bytes()
        self.told: dict[str, Any] = {
            "evidence": world.vault.put(self.letter, "notice-1.eml", "message/rfc822").digest,
            "message_id": str(message["Message-ID"]), "to": [CONTACT], "cases": self.refs, "asks": True,
            "cause": "expired_token",
        }  # fmt: skip
        self._written(sent)
        self._with_the_key_in_the_store()

    def _written(self, sent: bool) -> None:
        store, now, key = self.world.services.store, self.world.clock(), f"{self.refs[0]}/1/notice"
        known = {**self.told, "accepted": [CONTACT], "refused": {}}
        with store.uow() as uow:
            uow.intents.claim(key, self.refs[0], "notice", owner="dead", now=now, seconds=1, plan=self.told)
            if sent:
                uow.intents.finish(key, owner="dead", result=known, now=now)
            uow.commit()
        for ref in self.refs if sent else ():
            self.world.services.files.keep(ref, self.letter, "notice-1.eml", "message/rfc822")
            self.world.services.ledger.record(ref, Kind.NOTICE_SENT, **known)
            waits(self.world, ref)

    def _with_the_key_in_the_store(self) -> None:
        engine = create_engine(self.world.services.settings.database)
        self.world.services.store.close()
        with engine.begin() as connection:
            downgrade(connection, "0007")
            connection.execute(insert(marks).values(name="secret", value=OLD.hex(), at=self.world.clock()))
        engine.dispose()
        shutil.rmtree(self.world.services.keys.folder, ignore_errors=True)
        self.world.services = self.world.process()

    def upgraded(self) -> World:
        """The same with the version of now."""
        self.world.services.store.migrate()
        self.world.services.keys.take_out_of_the_store()
        return self.world


def test_the_migration_takes_the_key_out_of_the_store_and_another_one_signs(world: World) -> None:
    Before(world).upgraded()
    keys = world.services.keys
    assert keys.void() == [OLD]
    assert world.services.secret != OLD
    with world.services.store.reading() as uow:
        assert uow.cursors.get("secret") is uow.cursors.get(SECRET_OF_BEFORE) is None
        assert uow.cursors.get(IN_FORCE)[0] == fingerprint(world.services.secret)  # type: ignore[index]
    rows = "".join(json.dumps(row, default=str) for rows in Place(world.home, world.services.settings.database)
                   .tables().values() for row in rows)  # fmt: skip
    assert OLD.hex() not in rows
    assert world.services.secret.hex() not in rows
    world.services.store.close()
    files = [path for path in world.home.rglob("*") if path.is_file() and path.parent != keys.folder]
    assert [path for path in files if OLD.hex().encode() in path.read_bytes()] == []
    modes = [path.stat().st_mode & 0o777 for path in (keys.folder, *sorted(keys.folder.iterdir()))]
    assert modes == [0o700, 0o600, 0o600]


def test_a_link_of_before_opens_nothing_and_says_so_in_the_letter_s_language(world: World) -> None:
    before = Before(world)
    before.upgraded()
    with world.services.store.uow() as uow:
        uow.people.add_contact("Shop A", CONTACT, "Owner", language="de")
        uow.commit()
    with client_of(world) as client:
        page = client.get(f"/answer/{before.token}", headers={"Accept-Language": "en"})
        sent = client.post(f"/answer/{before.token}", data={"choice": "changed", "name": "x", "seen": "0", "key": "x"})
    assert (page.status_code, sent.status_code) == (410, 410)
    assert "Dieser Link wurde ersetzt" in page.text
    assert before.refs[0] not in page.text
    assert JOB not in page.text
    assert not world.case(before.refs[0]).words


def test_mail_to_an_address_of_before_goes_to_a_person_and_not_to_the_case(world: World) -> None:
    before = Before(world)
    before.upgraded()
    version = world.case(before.refs[0]).version
    got = take_in(world, reply(before.letter))
    assert (got.place, got.cases) == (Disposition.UNMATCHED, ())
    assert "JF-000001 from before our key was replaced" in got.why
    assert world.case(before.refs[0]).version == version
    with world.services.store.reading() as uow:
        [row] = uow.messages.to_look_at(9)
    assert row.code is MessageCode.VOID_ADDRESS
    assert before.address not in decoded(world.vault.read(row.digest))


def test_who_waits_for_a_retailer_sends_them_one_new_link_and_cases_of_one_notice_share_it(world: World) -> None:
    before = Before(world, JOB, "orders/feed-b")
    before.upgraded()
    keeper = Keeper(world)
    assert keeper().renewed == before.refs
    assert keeper().renewed == []
    assert keeper(days=1).renewed == []
    [(raw, envelope, to)] = world.mail.taken
    assert to == (CONTACT,)
    letter = letter_of(raw)
    assert letter["In-Reply-To"] == before.told["message_id"]
    assert "do not work any more" in words(raw)
    assert all(ref in words(raw) for ref in before.refs)
    assert before.token not in decoded(raw), "what it quotes has none of the old keys"
    assert before.address not in decoded(raw)
    token = token_in(raw)
    assert read_answer_token(world.services.secret, token).letter == "jf-000001.1.notice"
    with client_of(world) as client:
        assert client.get(f"/answer/{token}").status_code == 200
    assert case_of_address(world.services.secret, envelope) == before.refs[0]
    assert take_in(world, reply(raw)).place is Disposition.COUNTED
    for ref in before.refs:
        [told] = [event for event in world.case(ref).events if event.kind is Kind.LINK_RENEWED]
        assert told.data["key"] == fingerprint(world.services.secret)
        assert token not in decoded(world.vault.read(told.data["evidence"]))


def test_a_new_link_is_sent_once_by_two_keepers_and_after_a_crash(world: World) -> None:
    before = Before(world)
    before.upgraded()
    ref = before.refs[0]
    world.mail.faulty.fails("send", after=MailDown("The line was cut.", maybe_sent=True))
    assert ref in Keeper(world)().problems.said
    world.restart(minutes=11)
    with_page(world)
    other = world.process()
    assert renew_link(other.ledger, other.dispatch(world.send), other.policy, ref) == [ref]
    assert Keeper(world)().renewed == []
    first, second = world.mail.taken
    assert first == second, "byte for byte, under one Message-ID"
    assert world.count(ref, Kind.LINK_RENEWED) == 1


def test_a_reminder_that_is_due_brings_the_new_link_itself(world: World) -> None:
    before = Before(world)
    before.upgraded()
    done = Keeper(world)(days=2)
    assert (done.reminded, done.renewed) == (before.refs, [])
    assert before.token not in decoded(world.mail.taken[0][0])


def test_who_answered_or_was_asked_nothing_is_sent_no_new_link(world: World) -> None:
    before = Before(world)
    before.upgraded()
    world.confirm(before.refs[0])
    assert Keeper(world)().renewed == []
    assert world.mail.taken == []


def test_a_paused_account_s_retailer_gets_a_new_link_too_for_their_word_would_still_count(world: World) -> None:
    before = Before(world)
    before.upgraded()
    [ref] = before.refs
    until = (world.clock() + timedelta(days=40)).date().isoformat()
    world.services.ledger.record(ref, Kind.KEPT_PAUSED, "operator", until=until, reason="no answer")
    waits(world, ref)
    assert Keeper(world)().renewed == [ref]
    [(raw, *_)] = world.mail.taken
    with client_of(world) as client:
        assert client.get(f"/answer/{token_in(raw)}").status_code == 200
        assert "newer letter" in client.get(f"/answer/{before.token}").text


def test_the_page_of_a_void_link_promises_no_newer_letter_where_none_is_sent(world: World) -> None:
    before = Before(world)
    before.upgraded()
    world.confirm(before.refs[0])
    assert Keeper(world)().renewed == []
    with client_of(world) as client:
        page = client.get(f"/answer/{before.token}")
    assert page.status_code == 410
    assert "newer letter" not in page.text
    assert "A person reads it" in page.text


def test_what_is_written_down_of_a_letter_is_how_it_left_though_the_key_was_replaced_meanwhile(world: World) -> None:
    send = world.send

    def replaced_meanwhile(content: bytes, sender: str, recipients: Sequence[str]) -> Delivery:
        world.services.keys.renew()
        return send(content, sender, recipients)

    world.send = replaced_meanwhile
    ref = world.open()
    world.walk(ref, until="tell")
    [(raw, envelope, _)] = world.mail.taken
    notice = world.case(ref).notice
    assert notice["sent"] == [hashlib.sha256(raw).hexdigest()]
    assert notice["key"] != fingerprint(world.services.secret)
    assert letter_of(raw)["Reply-To"] == envelope, "both were signed with the same key"
    assert owes_new_link(world.services.replies, world.case(waits(world, ref))), "its link is void"


def test_a_letter_that_was_about_to_leave_at_the_migration_leaves_with_a_key_that_works(world: World) -> None:
    before = Before(world, sent=False)
    before.upgraded()
    world.clock.move(minutes=1)
    world.walk(before.refs[0], until="tell")
    [(raw, envelope, _)] = world.mail.taken
    assert letter_of(raw)["Message-ID"] == before.told["message_id"]
    assert read_answer_token(world.services.secret, token_in(raw)).letter == "jf-000001.1.notice"
    assert case_of_address(world.services.secret, str(letter_of(raw)["Reply-To"])) == before.refs[0]
    kept_copy = decoded(world.vault.read(world.case(before.refs[0]).notice["evidence"]))
    assert not any(key in kept_copy for key in (before.token, before.address, token_in(raw), envelope))
    assert Keeper(world)().renewed == []


# -- where the key is kept --------------------------------------------------------------------------------------------


def test_a_home_without_the_key_that_is_in_force_makes_no_other_one_by_itself(world: World) -> None:
    assert world.services.secret
    world.services.keys.path.unlink()
    services = world.process()
    with pytest.raises(KeyLost, match="caseproof keys new"):
        _ = services.secret
    world.services.keys.path.write_text("ab" * 32)
    with pytest.raises(KeyLost, match="not the one that is in force"):
        _ = world.process().secret


def test_a_key_that_was_replaced_voids_what_is_out_for_a_process_that_runs_already(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    waits(world, ref)
    token = token_in(world.mail.taken[0][0])
    with client_of(world) as client:
        assert client.get(f"/answer/{token}").status_code == 200
        assert world.process().keys.renew() == 1
        assert client.get(f"/answer/{token}").status_code == 410
    assert Keeper(world)().renewed == [ref]
    assert Keeper(world)().renewed == []


def home_of(world: World) -> Home:
    return Home(world.services.store, world.services.vault, world.services.proofs, None, world.services.keys.folder)


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_backup_has_the_keys_only_where_that_was_asked_for_and_else_a_restore_voids_the_links(
    world: World, tmp_path: Path, with_keys: bool
) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    waits(world, ref)
    secret = world.services.secret
    (world.services.keys.folder / "prefect-password").write_text("caseproof:of-that-server")
    make_backup(home_of(world), tmp_path / "b", now=world.clock(), with_keys=with_keys)
    saved = [
        path for path in (tmp_path / "b").rglob("*") if path.is_file() and secret.hex() in path.read_text("latin-1")
    ]
    assert [str(path.relative_to(tmp_path / "b")) for path in saved] == (["keys/answers"] if with_keys else [])
    assert not (tmp_path / "b" / "keys" / "prefect-password").exists(), "it is another server's tomorrow"
    empty = Settings(home=tmp_path / "other")
    store = Store(empty.database)
    keys = AnswerKeys(empty.home_folder / "keys", store, world.clock)
    vault, proofs = Vault(empty.home_folder / "evidence"), empty.home_folder / "proofs"
    restore_backup(Home(store, vault, proofs, None, keys.folder), tmp_path / "b")
    assert keys.after_restore() == (None if with_keys else 1)
    assert (keys.in_force() == secret) is with_keys
    store.close()


def test_of_two_who_need_the_first_key_at_the_same_moment_neither_says_that_it_is_lost(tmp_path):
    """One has looked for the file, which is not there yet; then the other makes it, and notes it in the store."""
    home = Settings(home=tmp_path / "new")
    store = Store(home.database)
    store.migrate()
    other = AnswerKeys(home.home_folder / "keys", store, utc_now)
    keys = AnswerKeys(other.folder, store, utc_now)
    made, take_out = [], keys.take_out_of_the_store

    def meanwhile():
        made.append(other.in_force())
        take_out()

    keys.take_out_of_the_store = meanwhile
    assert [keys.in_force()] == made
    store.close()
