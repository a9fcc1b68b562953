"""An emergency through the real channels: telephones with people at them, Teams and a mail server, well and ill."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from caseproof.channels.kept_channels import KeptChannels, kept_channels
from caseproof.channels.outbound.mail import Delivery, MailDown
from caseproof.config.clock import utc_now
from caseproof.config.ladder import LadderPerson, LadderPolicy
from caseproof.config.on_call import OnCallPolicy, RosterPerson
from caseproof.domain.emergency.due import Callee
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.raising import ShortCase
from caseproof.domain.emergency.vocabulary import Channel, NewsKind, Outcome, Via
from caseproof.domain.on_call.roster import Line
from caseproof.evidence.answer_keys import KeyLost
from caseproof.procedure.paging.answering import Answer, acknowledge
from caseproof.procedure.paging.by_link import Keys, see
from caseproof.procedure.paging.lines import Message, Ring
from caseproof.procedure.paging.ports import CallList, Channels, lines_of, pager_of
from caseproof.procedure.paging.post import Letters
from caseproof.procedure.paging.words import alert_of, unreached
from sandbox.provider import Bad, Kind
from sandbox.telephones import Person
from tests.support.paged import FIRST, SECOND, THIRD
from tests.support.paging_world import KEYS, MAIN, NUMBERS, PEOPLE, QUICK, PagingWorld

RINGS_LONG = Person("no answer", rings=60)


def outcomes(paging: Paging) -> list[tuple[str, Outcome | None]]:
    return [(one.person, one.outcome) for one in paging.calls]


def test_two_do_not_answer_a_machine_does_and_the_third_has_it(tmp_path: Path) -> None:
    people = {FIRST: [Person("no answer")], SECOND: [Person("machine")], THIRD: [Person(presses=["7", "1"])]}
    with PagingWorld(tmp_path, people) as here:
        ref = here.raised()
        assert here.pager().run(ref) is not None, "calling may begin again"
        paging, calls = here.paging(ref), here.phones.told()
        letters, cards = here.mailbox.messages, here.teams.words()
    assert paging.taken is not None
    assert (paging.taken.by, paging.taken.via) == (THIRD, Via.DIGIT)
    assert outcomes(paging)[:2] == [(FIRST, Outcome.NO_ANSWER), (SECOND, Outcome.MACHINE)]
    assert [one["to"] for one in calls] == ["+442079460001", "+442079460002", "+442079460003"], "nobody after that"
    assert "online ordering is down" in " ".join(calls[2]["said"])
    assert "You said: I have it." in calls[2]["said"][-1]
    assert sum(f"{THIRD} has it" in one.parsed["Subject"] for one in letters) == 4, "each on the list, and the team"
    assert f"{THIRD} has it" in cards


def test_each_mail_has_its_person_s_link_and_the_card_leads_to_a_page_with_a_button(tmp_path: Path) -> None:
    with PagingWorld(tmp_path, {FIRST: [Person(presses=["1"])]}) as here:
        ref = here.raised()
        here.pager().run(ref)
        raised = [one for one in here.mailbox.messages if "EMERGENCY" in one.parsed["Subject"]]
        texts = {str(one.parsed["To"]): one.parsed.get_content() for one in raised}
        shown = {
            to: see(here.store, utc_now, KEYS, link.split("/page/")[1].split()[0]).person
            for to, text in texts.items()
            for link in [text]
            if "/page/" in text
        }
        card = here.teams.cards[0]
    assert shown == {"0@example.com": FIRST, "1@example.com": SECOND, "2@example.com": THIRD}
    assert set(texts) == {*shown, "pt@example.com"}
    assert len({str(one.parsed["Message-ID"]) for one in here.mailbox.messages}) == len(here.mailbox.messages)
    assert [one["url"] for one in card["actions"]] == [
        f"{here.doors.url}/emergency/{ref}",
        f"{here.doors.url}/cases/{ref}",
    ]
    assert "/page/" not in str(here.teams.cards)
    assert [one["mentioned"]["id"] for one in card["msteams"]["entities"]] == [
        f"{n}@teams.example.com" for n in range(3)
    ]


def test_who_raised_it_hears_each_news_once_where_the_policy_or_their_login_has_their_address(tmp_path: Path) -> None:
    with PagingWorld(tmp_path, {FIRST: [Person(presses=["1"])]}) as here:
        assert here.parts.mail_of("operator") == []
        with here.store.uow() as uow:
            uow.logins.ensure("operator", "login@example.com", utc_now())
            uow.commit()
        assert here.parts.mail_of("Operator") == ["login@example.com"]
        known = LadderPolicy(people=(LadderPerson(name="operator", tiers=("L1",), mail="raiser@example.com"),))
        here.policy = here.policy.model_copy(update={"ladder": known})
        ref = here.raised()
        here.pager().run(ref)
        theirs = [one.parsed for one in here.mailbox.messages if one.parsed["To"] == "raiser@example.com"]
        site = here.paging(ref).raised.data["site"]
        assert here.parts.mail_of("stranger@example.com") == [], "what somebody calls themselves is no address"
    assert [str(one["Subject"]) for one in theirs] == [f"[{ref}] EMERGENCY: {site}", f"[{ref}] {FIRST} has it: {site}"]
    assert all("/page/" not in one.get_content() for one in theirs), "they only hear of it"


def test_with_teams_and_mail_both_down_somebody_is_called_and_both_are_tried_until_they_work(tmp_path: Path) -> None:
    with PagingWorld(tmp_path, {FIRST: [Person("busy")], SECOND: [Person(presses=["1"])]}) as here:
        kept = kept_channels(tmp_path)
        assert kept.mail is not None
        here.teams.bad = [Bad("broken", times=3)]  # it is handed over three times
        here.keep(replace(kept.mail, port=1), kept.teams, kept.voices)
        ref = here.raised()
        running = threading.Thread(target=here.pager().run, args=(ref,), daemon=True)
        running.start()
        here.wait_until(lambda: here.paging(ref).taken)
        here.keep(kept.mail, kept.teams, kept.voices)  # mended while it goes on
        running.join(60)
        paging = here.paging(ref)
        assert not running.is_alive()
        assert here.called() == [FIRST, SECOND]
    failed = {one.channel for one in paging.attempts if one.outcome is Outcome.FAILED}
    delivered = {one.channel for one in paging.attempts if one.outcome is Outcome.DELIVERED}
    assert (failed, delivered) == ({Channel.MAIL, Channel.TEAMS}, {Channel.MAIL, Channel.TEAMS})


BADLY: list[Kind] = ["too many", "broken", "hang", "nonsense"]


@pytest.mark.parametrize("kind", BADLY)
def test_where_the_first_account_cannot_call_the_second_does(tmp_path: Path, kind: Kind) -> None:
    with PagingWorld(tmp_path, {FIRST: [Person(presses=["1"])]}, silent_seconds=0.2) as here:
        here.goes_wrong(Bad(kind, value=5))
        ref = here.raised()
        here.pager().run(ref)
        assert here.paging(ref).taken is not None
        assert [len(here.phones.calls), len(here.others.calls)] == [0, 1]


def test_a_call_that_is_taken_and_never_dialled_is_placed_by_the_other_account(tmp_path: Path) -> None:
    rules = replace(QUICK, ring=timedelta(seconds=1))
    with PagingWorld(tmp_path, {FIRST: [Person(presses=["1"])]}, rules=rules) as here:
        here.goes_wrong(Bad("nothing", "Calls.json"))
        ref = here.raised()
        here.pager().run(ref)
        paging = here.paging(ref)
        assert paging.taken is not None
        assert [one.status for one in here.phones.calls] == ["canceled"], "it will not ring late"
        assert here.called() == [FIRST, FIRST], "the next one was not reached for it"


def test_where_every_account_fails_people_are_told_by_mail_and_card_and_called_again_and_again(tmp_path: Path) -> None:
    with PagingWorld(tmp_path, rules=replace(QUICK, ring=timedelta(seconds=1))) as here:
        here.goes_wrong(Bad("broken"))
        here.others.bad = [Bad("broken")]
        ref = here.raised()
        running = threading.Thread(target=here.pager().run, args=(ref,), daemon=True)
        running.start()
        here.wait_until(lambda: max((one.round for one in here.paging(ref).calls), default=0) >= 2)
        acknowledge(here.store, utc_now, QUICK, ref, Answer(1, SECOND, Via.LINK))
        running.join(60)
        assert not running.is_alive(), "an answer in the store ends it"
        paging = here.paging(ref)
    assert {one.outcome for one in paging.calls} <= {Outcome.FAILED, Outcome.UNKNOWN}
    assert {one.channel for one in paging.attempts if one.outcome is Outcome.DELIVERED} == {Channel.MAIL, Channel.TEAMS}


def test_a_call_whose_answer_was_lost_is_followed_and_nobody_is_called_twice(tmp_path: Path) -> None:
    with PagingWorld(tmp_path, {FIRST: [Person(presses=["2"])], SECOND: [Person(presses=["1"])]}) as here:
        here.goes_wrong(Bad("drop", "POST", times=1))
        ref = here.raised()
        here.pager().run(ref)
        paging = here.paging(ref)
        assert here.called() == [FIRST, SECOND]
    assert paging.taken is not None
    assert paging.taken.by == SECOND


class Killed(BaseException):
    """The worker is gone, from one moment to the next."""


def test_a_worker_that_dies_while_it_rings_is_followed_by_another_which_goes_on_with_the_next(tmp_path: Path) -> None:
    people = {FIRST: [RINGS_LONG], SECOND: [RINGS_LONG], THIRD: [Person(presses=["1"])]}
    with PagingWorld(
        tmp_path, people, rules=replace(QUICK, ring=timedelta(seconds=0.4), talk=timedelta(seconds=0.4))
    ) as here:
        ref = here.raised()
        for worker in range(2):  # twice

            def die_with_its_call(event: threading.Event, seconds: float, known: int = worker) -> bool:
                if len(here.phones.calls) > known:
                    raise Killed
                return event.wait(min(seconds, 0.02))

            dying = lines_of(here.parts, Channels(tmp_path, utc_now), die_with_its_call)
            with pytest.raises(Killed):
                here.pager(start=begin_quietly, lines=dying, wait=die_with_its_call).run(ref)
        replace(here.pager(), rules=QUICK).run(ref)  # the third one may take its time
        paging = here.paging(ref)
        assert here.called() == [FIRST, SECOND, THIRD]
    assert paging.taken is not None
    assert paging.taken.by == THIRD


def begin_quietly(job: Callable[[], None]) -> None:
    def until_it_dies() -> None:
        with suppress(Killed):
            job()

    threading.Thread(target=until_it_dies, daemon=True).start()


def test_once_somebody_has_it_telephones_that_ring_fall_silent(tmp_path: Path) -> None:
    people = {FIRST: [RINGS_LONG], SECOND: [RINGS_LONG], THIRD: [RINGS_LONG]}
    with PagingWorld(tmp_path, people, rules=replace(QUICK, ring=timedelta(seconds=30))) as here:
        ref = here.raised(all_team=True)
        running = threading.Thread(target=here.pager().run, args=(ref,), daemon=True)
        running.start()
        here.wait_until(lambda: sum(one.status == "ringing" for one in here.phones.calls) == 3)
        acknowledge(here.store, utc_now, QUICK, ref, Answer(1, SECOND, Via.LINK))
        here.wait_until(lambda: [one.status for one in here.phones.calls] == ["canceled"] * 3)


def test_another_process_that_ends_a_call_ends_none_of_another_emergency(tmp_path: Path) -> None:
    """Two emergencies ring one telephone, and nothing at the provider says which call is whose."""
    only = [PEOPLE[0]]
    with PagingWorld(
        tmp_path, {FIRST: [RINGS_LONG]}, roster=only, rules=replace(QUICK, ring=timedelta(seconds=30))
    ) as here:
        one, other = here.raised(), here.raised(new_case=ShortCase("Shop B", "Nobody can pay."))
        for ref in (one, other):
            here.pager().step(ref)
        here.wait_until(lambda: [call.status for call in here.phones.calls] == ["ringing"] * 2)
        (attempt,) = here.paging(one).calls
        callee = Callee(FIRST, (Line(NUMBERS[FIRST]),))
        ring = Ring(
            f"{one}-{here.case(one).mark}-1-{attempt.number}".lower(), one, 1, attempt.number, callee, 1,
            alert_of(here.paging(one)), attempt.begun, (), 0.1, 0.0,
        )  # fmt: skip
        fresh = lines_of(here.parts, Channels(tmp_path, utc_now), threading.Event.wait).voice
        fresh.hang_up(ring)
        fresh.look_up(replace(ring, key="another"))
        assert [call.status for call in here.phones.calls] == ["ringing"] * 2


def test_a_telephone_knows_the_calls_that_its_process_placed_for_other_emergencies(tmp_path: Path) -> None:
    with PagingWorld(tmp_path, {FIRST: [RINGS_LONG]}, rules=replace(QUICK, ring=timedelta(seconds=30))) as here:
        channels = Channels(tmp_path, utc_now)
        pagers = [replace(pager_of(here.parts, channels, "the pager"), rules=here.rules) for _ in range(3)]
        one, other = here.raised(), here.raised(new_case=ShortCase("Shop B", "Nobody can pay."))
        pagers[0].step(one)
        here.wait_until(lambda: len(channels.under_way) == 1)
        pagers[1].step(other)
        here.wait_until(lambda: len(channels.under_way) == 2)
        acknowledge(here.store, utc_now, QUICK, one, Answer(1, SECOND, Via.LINK))
        pagers[2].step(one)  # another engine of the same process: it made none of these calls itself
        here.wait_until(lambda: [call.status for call in here.phones.calls] == ["canceled", "ringing"])


def test_whoever_has_an_extension_too_is_called_by_it_in_the_next_round(tmp_path: Path) -> None:
    only = RosterPerson(name=FIRST, mobile="+442079460001", extension="12")
    people = {FIRST: [Person("busy")], MAIN: [Person(presses=["1"])]}
    rules = replace(QUICK, ring=timedelta(seconds=3))
    with PagingWorld(tmp_path, people, roster=[only], rules=rules) as here:
        ref = here.raised()
        here.pager().run(ref)
        assert here.called() == [FIRST, MAIN]
        assert here.phones.calls[1].one("SendDigits") == "WW12"
        assert here.paging(ref).taken is not None


def test_a_list_that_is_changed_while_people_are_called_counts_within_seconds(tmp_path: Path) -> None:
    with PagingWorld(tmp_path) as here:
        case, whom, now = here.case(here.raised()), CallList(here.parts), utc_now()
        names = [one.name for one in whom(now, case)]
        here.policy = here.policy.model_copy(update={"on_call": OnCallPolicy(people=PEOPLE[1:], main_number=MAIN)})
        assert [one.name for one in whom(now + timedelta(seconds=11), case)] == names[1:]


def test_a_mail_that_a_busy_server_refused_is_sent_again_and_to_that_person_alone() -> None:
    """Some servers take three connections at a time, and refuse the rest."""
    taken, refused = list[str](), {"2@example.com": 1, "4@example.com": 9}

    def send(_content: bytes, _sender: str, recipients: Sequence[str]) -> Delivery:
        (address,) = recipients
        if refused.get(address, 0) > 0:
            refused[address] -= 1
            raise MailDown("432: too many connections.", "Wait.")
        taken.append(address)
        return Delivery((address,), {})

    people = [Callee(f"person {number}", mail=f"{number}@example.com") for number in range(5)]
    message = Message("k", "SC-000001", NewsKind.RAISED, "EMERGENCY", "It is down.", people, "operator")
    told = Letters(lambda: send, "cases@example.com", (), utc_now)(message)
    assert sorted(taken) == [f"{number}@example.com" for number in (0, 1, 2, 3)]
    assert told == "4 of 5 mails were taken: 432: too many connections. Next: Wait."


def test_without_any_channel_each_try_says_what_is_missing_and_goes_on(tmp_path: Path) -> None:
    with PagingWorld(tmp_path) as here:
        here.keep(*[getattr(KeptChannels(), name) for name in ("mail", "teams", "voices")])
        ref = here.raised()
        here.pager(start=lambda job: job()).step(ref)
        attempts = here.paging(ref).attempts
        assert here.paging(ref).reaches_nobody, "which the page says first"
        assert unreached(here.paging(ref)).startswith("NOBODY IS REACHED")
    told = {str(one.channel): one.detail for one in attempts}
    assert "There is no mail account" in told["mail"]
    assert "There is no Teams web hook" in told["teams"]
    assert "There is no voice account" in told["call"]
    assert {one.outcome for one in attempts} == {Outcome.NOT_SET_UP}


def test_a_key_that_is_lost_keeps_nobody_from_being_reached(tmp_path: Path) -> None:
    """Then no link and no digit counts; but people are called, and mail and card lead to the emergency's page."""

    def lost() -> Keys:
        raise KeyLost("The key is not there.", "Put it back.")

    with PagingWorld(tmp_path, {FIRST: [RINGS_LONG]}) as here:
        here.parts = replace(here.parts, keys=lost)
        ref = here.raised()
        here.pager().step(ref)
        here.wait_until(lambda: here.called() == [FIRST] and here.teams.cards and here.mailbox.messages)
        text = here.mailbox.messages[0].parsed.get_content()
        assert f"/cases/{ref}" in text
        assert "/page/" not in text
