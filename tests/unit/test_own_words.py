# ruff: noqa: E501 - mails read best in their own lines
"""Which lines of a mail are its writer's own, in the shapes that mail programs give to an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from caseproof.channels.inbound.meaning import Meaning
from caseproof.channels.inbound.own_words import CUT, own_words, told_apart
from caseproof.channels.inbound.reading import read_mail

QUOTE = "> Please renew the token.\n> Is it done?"

TOP_POSTED = {
    "Gmail": f"Done.\n\nOn Sat, Nov 21, 2026 at 9:51 PM Cases <cases@example.com> wrote:\n\n{QUOTE}\n",
    "Gmail, wrapped": f"Done.\n\nOn Sat, Nov 21, 2026 at 9:51 PM Cases of the Shop\n<cases@example.com> "
    f"wrote:\n\n{QUOTE}",
    "Gmail in German": f"Done.\n\nAm Sa., 21. Nov. 2026 um 21:51 Uhr schrieb Cases <cases@example.com>:\n\n{QUOTE}",
    "Gmail in French": f"Done.\n\nLe sam. 21 nov. 2026 à 21:51, Cases <cases@example.com> a écrit :\n\n{QUOTE}",
    "Gmail in Japanese": f"Done.\n\n2026年11月21日(土) 21:51 Cases <cases@example.com>:\n\n{QUOTE}",
    "Gmail in Polish": f"Done.\n\nsob., 21 lis 2026 o 21:51 Cases <cases@example.com> napisał(a):\n\n{QUOTE}",
    "Apple Mail": f"Done.\n\n> On 21 Nov 2026, at 21:51, Cases <cases@example.com> wrote:\n> \n{QUOTE}",
    "Thunderbird": f"Done.\n\nOn 21/11/2026 21:51, Cases wrote:\n{QUOTE}\n",
    "Thunderbird in German": f"Done.\n\nAm 21.11.26 um 21:51 schrieb Cases:\n{QUOTE}\n",
    "quote without marks": "Done.\n\nOn 21/11/2026 21:51, Cases wrote:\nPlease renew the token.\nYes?\n",
    "Outlook": "Done.\n\nFrom: Cases <cases@example.com>\nSent: Saturday, 21 November 2026 21:51\nTo: Owner\n"
    "Subject: [JF-000001]\n\nPlease renew the token.",
    "Outlook in German": "Done.\n\nVon: Cases <cases@example.com>\nGesendet: Samstag, 21. November 2026 "
    "21:51\nAn: Owner\n"
    "Betreff: [JF-000001]\n\nBitte erneuern Sie den Token.",
    "Outlook with a rule": "Done.\n\n________________________________\nFrom: Cases <cases@example.com>\n"
    "Sent: Saturday\nTo: Owner\nSubject: x\n\nPlease renew.",
    "Outlook with stars": "Done.\n\n*From:* Cases <cases@example.com>\n*Sent:* Saturday\n*To:* "
    "Owner\n*Subject:* x\n\nPlease.",
    "Outlook, old": "Done.\n\n-----Original Message-----\nFrom: Cases\n\nPlease renew.",
    "Outlook, old, in German": "Done.\n\n-----Ursprüngliche Nachricht-----\nVon: Cases\n\nBitte erneuern.",
    "a phone": f"Done.\n\nSent from my iPhone\n\n> On 21 Nov 2026, at 21:51, Cases wrote:\n{QUOTE}",
    "a phone in German": f"Done.\n\nVon meinem iPhone gesendet\n\n> Am 21.11.2026 um 21:51 schrieb Cases:\n{QUOTE}",
    "Outlook on a phone": "Done.\n\nGet Outlook for Android\n________________________________\nFrom: "
    "Cases\nSent: Saturday\n"
    "To: Owner\nSubject: x\n\nPlease.",
    "signature": f"Done.\n-- \nOwner\nShop Ltd, not a bank\n\nOn 21/11/2026 21:51, Cases wrote:\n{QUOTE}",
    "forward": "Done.\n\n---------- Forwarded message ---------\nFrom: Admin "
    "<admin@shop.example>\nDate: Sat\n\nIt is not done.",
    "forward on a Mac": "Done.\n\nBegin forwarded message:\n\nFrom: Admin\nSubject: x\n\nIt is not done.",
    "forward in German": "Done.\n\n-------- Weitergeleitete Nachricht --------\nVon: Admin\n\nNicht erledigt.",
    "carriage returns": "Done.\r\n\r\nOn 21/11/2026 21:51, Cases wrote:\r\n> Please\r\n",
}


@pytest.mark.parametrize("text", TOP_POSTED.values(), ids=TOP_POSTED.keys())
def test_an_answer_above_the_quote_is_all_that_is_own(text: str) -> None:
    assert own_words(text).strip() == "Done."


def test_an_answer_below_the_quote_is_own() -> None:
    assert own_words(f"On 21/11/2026 21:51, Cases wrote:\n{QUOTE}\n\nDone.\n-- \nOwner") == "Done."


def test_answers_between_quoted_lines_stay_all_of_them() -> None:
    asked = "On 21/11/2026, Cases wrote:\n> Is the token new?"
    text = f"Hello,\n\n{asked}\nYes.\n> Does it work?\nNo, it still fails.\n> Thanks"
    assert own_words(text).split("\n") == ["Hello,", "", "Yes.", "No, it still fails."]


def test_a_signature_ends_where_a_quote_begins() -> None:
    assert own_words("Done.\n-- \nOwner\n> Does it work?\nNo.") == "Done.\nNo."


def test_a_list_at_the_end_is_no_signature() -> None:
    assert own_words("Done:\n\n- the token\n- but not the address") == "Done:\n\n- the token\n- but not the address"


def test_lines_stay_verbatim() -> None:
    assert own_words("  Done,  we\tthink… \n\n\nSecond\u00a0line ☂") == "  Done,  we\tthink… \n\n\nSecond\u00a0line ☂"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        QUOTE,
        f"On 21/11/2026 21:51, Cases wrote:\n{QUOTE}",
        "-- \nOwner",
        "Sent from my iPhone",
        "From: Cases\nSent: Saturday\nTo: Owner\nSubject: x\n\nIs it done?",
        "> Done",
        "Begin forwarded message:\n\nDone.",
    ],
)
def test_a_mail_without_words_of_its_own_is_empty(text: str) -> None:
    assert own_words(text) == ""


@pytest.mark.parametrize(
    "line",
    [
        "As my colleague wrote:",
        "Sent from my desk, it is not done",
        "-- and more",
        "Note to the team: it is done",
        "On Friday we renewed it",
        "____",
    ],
)
def test_what_only_looks_like_a_quote_or_a_signature_stays(line: str) -> None:
    assert own_words(f"Hello\n{line}\nbye") == f"Hello\n{line}\nbye"


def test_that_a_text_was_cut_stays_in_sight() -> None:
    assert own_words(f"Done.\n\nOn 21/11/2026 21:51, Cases wrote:\nPlease\n{CUT}") == f"Done.\n\n{CUT}"


@pytest.mark.parametrize("line", ["Colleague wrote:", "Die Kollegin schrieb:"])
def test_what_stands_below_a_line_that_only_names_its_writer_is_not_the_answers(line: str) -> None:
    assert own_words(f"{line}\nWe renewed the token.") == ""
    assert own_words(f"Please see.\n\n{line}\nWe renewed the token.").strip() == "Please see."


# -- whatever heads what another wrote --------------------------------------------------------------------------------

OWN = "Hello,\n\nI pass this on to our technician.\n\nKind regards\nA. Person"
ANOTHERS = "We have renewed the token.\n\nKind regards\nB. Person"


@pytest.mark.parametrize("name", ["31", "32", "33", "36", "37", "38", "40", "44"])
def test_what_another_wrote_is_not_the_writers_own_in_the_shapes_that_were_met(name: str) -> None:
    text = (Path(__file__).with_name("mail_cases") / f"{name}-quote.txt").read_text()
    own = own_words(text)
    assert own.endswith("A. Person")
    assert text.startswith(own)


HEADS = {
    "Gmail, wrapped behind <": "On Sat, Nov 21, 2026 at 9:51 PM The Cases of a Shop <\ncases@example.com> wrote:",
    "Gmail, wrapped before >": "On Sat, Nov 21, 2026 at 9:51 PM Cases <cases@example.com\n> wrote:",
    "Gmail, wrapped at the @": "On Sat, Nov 21, 2026 at 9:51 PM Cases <cases@\nexample.com> wrote:",
    "Gmail, old": "2026-11-21 21:51 GMT+01:00 Cases <\ncases@example.com>:",
    "Gmail, old, without an address": "2026-11-21 21:51 GMT+01:00 Cases",
    "when and who": "Sat, 21 Nov 2026 at 21:51 Cases",
    "when and who, in German": "21.11.2026 21:51 Cases",
    "without its colon": "Am 21.11.2026 um 21:51 schrieb Cases",
    "Yandex": '21.11.2026, 21:51, "Cases" <cases@example.com>:',
    "French, wrapped": "Le samedi 21 novembre 2026 \u00e0 21:51, Cases <cases@example.com> a\n\u00e9crit :",
    "Spanish": "El s\u00e1b, 21 nov 2026 a las 21:51, Cases (<cases@example.com>) escribi\u00f3:",
    "Italian": "Il giorno sab 21 nov 2026 alle ore 21:51 Cases <cases@example.com> ha scritto:",
    "Portuguese": "Em s\u00e1b., 21 de nov. de 2026 \u00e0s 21:51, Cases <cases@example.com> escreveu:",
    "Dutch": "Op za 21 nov 2026 om 21:51 schreef Cases <cases@example.com>:",
    "Dutch, the other way": "Cases schreef op 21-11-2026 21:51:",
    "Swedish": "l\u00f6r 21 nov. 2026 kl. 21:51 skrev Cases <cases@example.com>:",
    "Finnish": "la 21. marraskuuta 2026 klo 21.51 Cases (cases@example.com) kirjoitti:",
    "Czech": "so 21. 11. 2026 v 21:51 odes\u00edlatel Cases <cases@example.com> napsal:",
    "Slovak": "D\u0148a 21. 11. 2026 o 21:51 Cases nap\u00edsal:",
    "Polish": "W dniu 21.11.2026 o 21:51, Cases pisze:",
    "Russian": "21.11.2026 21:51, Cases \u043f\u0438\u0448\u0435\u0442:",
    "Greek": "\u03a3\u03c4\u03b9\u03c2 21 \u039d\u03bf\u03b5 2026 \u03c3\u03c4\u03b9\u03c2 9:51, Cases \u03ad\u03b3\u03c1\u03b1\u03c8\u03b5:",
    "Japanese": "2026\u5e7411\u670821\u65e5(\u571f) 21:51 Cases <cases@example.com>:",
    "Chinese": "\u4e8e2026\u5e7411\u670821\u65e5\u5468\u516d \u4e0b\u53489:51\u5199\u9053\uff1a",
    "Korean": "2026\ub144 11\uc6d4 21\uc77c (\ud1a0) \uc624\ud6c4 9:51, Cases <cases@example.com>\ub2d8\uc774 \uc791\uc131:",
    "Hungarian": "Cases <cases@example.com> ezt \u00edrta (id\u0151pont: 2026. nov. 21., Szo, 21:51):",
    "Romanian": "Pe s\u00e2m., 21 nov. 2026 la 21:51, Cases <cases@example.com> a scris:",
    "Turkish": "21 Kas 2026 Cmt 21:51 tarihinde Cases <cases@example.com> \u015funu yazd\u0131:",
    "Vietnamese": "V\u00e0o Th 7, 21 thg 11, 2026 v\u00e0o l\u00fac 21:51 Cases <cases@example.com> \u0111\u00e3 vi\u1ebft:",
    "a language that no list has": "Gardien 21.11.2026 21:51, Cases xyzzy:",
    "Zoho": "---- On Sat, 21 Nov 2026 21:51:00 +0100 Cases <cases@example.com> wrote ----",
    "Zoho in German": "---- Am Sa., 21 Nov. 2026 21:51:00 +0100 Cases <cases@example.com> schrieb ----",
    "Zoho in French": " ---- Le sam., 21 nov. 2026 21:51:00 +0100 cases@example.com a \u00e9crit ----",
    "Zoho, without dashes": "On Sat, 21 Nov 2026 21:51:00 +0100 Cases <cases@example.com> wrote",
    "AOL": "In a message dated 11/21/2026 9:51:07 PM Central, cases@example.com writes:",
    "Eudora": "At 09:51 PM 11/21/2026, Cases wrote:",
    "Horde": "Quoting Cases <cases@example.com>:",
    "Horde in German": "Zitat von Cases <cases@example.com>:",
    "Notes": "Cases/Company wrote on 11/21/2026 09:51:07 PM:",
    "Teams, pasted": "[02/11 10:31] B Person",
    "Teams, pasted, with a colon": "[02/11 10:31] B Person:",
    "WhatsApp, pasted": "[21.11.26, 10:31:05] B Person: hello",
    "WhatsApp on Android, pasted": "21/11/2026, 10:31 - B Person: hello",
    "Slack, pasted": "B Person  10:31 AM",
    "Slack, pasted, in brackets": "B Person [10:31 AM]",
    "Telegram, pasted": "B Person, [21.11.2026 10:31]",
    "Samsung": "-------- Original message --------",
    "Samsung in Danish": "-------- Oprindelig besked --------",
    "Samsung in French": "-------- Message d'origine --------",
    "Samsung in Hungarian": "----- Eredeti \u00fczenet -----",
    "QQ": "------------------ \u539f\u59cb\u90ae\u4ef6 ------------------",
    "a heading of one's own": "==== Alter Verlauf ====",
    "a reply's line": "-----Reply message-----",
    "Outlook for Android": "Sent from Outlook for Android<https://aka.ms/x>",
    "Outlook for Android, its link in brackets": "Sent from Outlook for Android [https://aka.ms/x]",
    "Outlook for Android in German": "Gesendet von Outlook f\u00fcr Android<https://aka.ms/x>",
    "Outlook for Android in Danish": "Hent Outlook til Android<https://aka.ms/x>",
    "Outlook for iOS in French": "T\u00e9l\u00e9charger Outlook pour iOS<https://aka.ms/x>",
    "Outlook for iOS in Polish": "Pobierz aplikacj\u0119 Outlook dla systemu iOS<https://aka.ms/x>",
    "a mail app": "Sent from Yahoo Mail on Android",
    "a mail app behind two dashes": "-- Sent with K-9 Mail",
    "two headers": "Fra: A <abc@example.org>\nDato: 04.07.2024  17.45\nTil: abc@example.dk",
    "headers of a language that no list has": "Xod: A <abc@example.org>\nXposlano: 04.07.2024 17:45\nXza: b",
    "the day first": 'Sent: Friday, November 20, 2026 at 9:00 AM\nFrom: "Cases" <cases@example.com>\nTo: x',
    "Outlook in Spanish": "De: A <abc@example.org>\nEnviado el: s\u00e1bado, 21 de noviembre de 2026 21:51\nPara: b",
    "a desk's line": "##- Please type your reply above this line -##",
    "a heading with spaces": "= = = Original = = =",
    "the time first": "10:31 B Person",
    "who and when": "B Person 2.11. 10:31",
    "who and when, on a day": "*Cases* <cases@example.com> - 21 Nov 2026",
    "a letter's way": "From A <a@example.org> on 21 Nov 2026 21:51",
    "Gmail in Outlook": "On Sat, Nov 21, 2026 at 9:51 PM, Cases < cases@example.com > wrote:",
    "Notes in dashes": "-----cases@example.com wrote: -----",
    "Dutch, a phone": "Verstuurd vanaf mijn iPad",
    "Japanese headers": "\u5dee\u51fa\u4eba: A <a@example.jp>\n\u9001\u4fe1\u65e5\u6642: 2026\u5e7411\u670821\u65e5 21:51\n\u5b9b\u5148: b",
    "From and a date": "Von: A <abc@example.org>\nDatum: 04.07.2024  17.45  (GMT+01:00)",
    "Outlook for Mac": "*From: *A <abc@example.org>\n*Date: *Saturday, November 21, 2026 at 9:51 PM\n*To: *b",
}


@pytest.mark.parametrize("gap", ["\n\n", "\n"], ids=["a line between", "no line between"])
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_below_a_line_that_heads_anothers_words_nothing_is_own(head: str, gap: str) -> None:
    assert own_words(f"{OWN}\n\n{head}{gap}{ANOTHERS}") == OWN


@pytest.mark.parametrize("mark", [">", "> > ", "| ", "\u00bb ", "AP> ", " >"])
def test_lines_behind_any_mark_of_a_quote_are_not_own(mark: str) -> None:
    quoted = "\n".join(f"{mark}{line}" for line in ANOTHERS.split("\n"))
    assert own_words(f"{OWN}\n\n{quoted}") == OWN


@pytest.mark.parametrize(
    "head", ["Sent from my iPhone", "==== Update ====", "[02/11 10:31] B Person", "2026-11-21 21:51 GMT+01:00 Cases"]
)
def test_what_is_left_out_in_doubt_is_told_apart_for_it_may_be_a_but(head: str) -> None:
    told = told_apart(f"Done.\n\n{head}\n\nBut it still fails.")
    assert (told.own, "But it still fails." in told.doubt) == ("Done.", True)
    raw = f"From: owner@shop.example\nIn-Reply-To: <1@x>\n\nDone.\n\n{head}\n\nBut it still fails.\n".encode()
    assert read_mail(raw).meaning is Meaning.UNCLEAR


@pytest.mark.parametrize("text", TOP_POSTED.values(), ids=TOP_POSTED.keys())
def test_of_a_quote_that_is_surely_one_nothing_is_in_doubt(text: str) -> None:
    assert told_apart(text).doubt == ""


@pytest.mark.parametrize(
    "line",
    [
        "I renewed it at 10:31.",
        "All 3 steps done on 20.11.",
        "We did it on 20.11.2026 at 10:15, please check.",
        "Token: renewed. Feed: on.",
        "My address is owner@shop.example",
        "--- ",
        "Please write to me: owner@shop.example",
        "[x] token renewed",
        "The price is 10:31",
    ],
)
def test_what_only_looks_like_the_head_of_a_quote_stays_with_all_below(line: str) -> None:
    assert own_words(f"Hello\n\n{line}\nbye") == f"Hello\n\n{line}\nbye"
